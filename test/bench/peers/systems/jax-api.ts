// The part of jax-js that is used here. Every function takes ownership of its arguments; `.ref` keeps one for later.

export interface JaxArray {
  readonly ref: JaxArray
  readonly shape: readonly number[]
  add(other: JaxArray | number): JaxArray
  sub(other: JaxArray | number): JaxArray
  mul(other: JaxArray | number): JaxArray
  reshape(shape: readonly number[]): JaxArray
  transpose(axes?: readonly number[]): JaxArray
  sum(axis?: number | readonly number[], options?: { keepdims?: boolean }): JaxArray
  mean(axis?: number | readonly number[], options?: { keepdims?: boolean }): JaxArray
  slice(...ranges: readonly (readonly [number, number] | readonly [])[]): JaxArray
  data(): Promise<Float32Array>
  dispose(): void
}

export type JaxTree = Readonly<Record<string, JaxArray>>

export interface Jax {
  init(device: string): Promise<readonly string[]>
  defaultDevice(device: string): string
  blockUntilReady<T>(tree: T): Promise<T>
  jit<F>(f: F): F
  valueAndGrad(
    f: (trained: JaxTree, frozen: JaxTree) => JaxArray,
  ): (trained: JaxTree, frozen: JaxTree) => readonly [JaxArray, JaxTree]
  readonly numpy: {
    array(values: Float32Array | Int32Array, options?: { dtype?: unknown }): JaxArray
    matmul(a: JaxArray, b: JaxArray): JaxArray
    concatenate(arrays: readonly JaxArray[], axis: number): JaxArray
    sqrt(a: JaxArray): JaxArray
    reciprocal(a: JaxArray): JaxArray
    take(a: JaxArray, indices: JaxArray, axis: number): JaxArray
    readonly int32: unknown
  }
  readonly nn: {
    silu(a: JaxArray): JaxArray
    logSoftmax(a: JaxArray): JaxArray
    oneHot(a: JaxArray, classes: number): JaxArray
    dotProductAttention(q: JaxArray, k: JaxArray, v: JaxArray, options: { isCausal: boolean }): JaxArray
  }
  readonly tree: { ref<T>(tree: T): T; dispose(tree: unknown): void }
}
