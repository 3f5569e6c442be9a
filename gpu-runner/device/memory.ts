// Device memory: buffers are pooled by size class and recycled through explicit scopes, so that every training step after the
// first allocates nothing. A released buffer may be reused at once, because dispatches run in the order they were recorded.
import { MemoryMisuse, TensorTooLarge } from "./errors.ts"
import { BufferAges, FreeBuffers } from "./free-buffers.ts"
import type { GpuDevice } from "./open-device.ts"
import type { Recorder } from "./recorder.ts"
import { type DataType, elementCount, type Tensor } from "./tensor.ts"

export interface MemoryStatistics {
  /** Bytes of tensors in use now, and the most there has ever been. */
  readonly usedBytes: number
  readonly peakUsedBytes: number
  /** Bytes held from the device, in use or waiting for reuse. */
  readonly reservedBytes: number
}

/** What a scope may return: every tensor in it survives the scope. */
export type Survivors = Tensor | readonly Tensor[] | Readonly<Record<string, Tensor | undefined>> | undefined

const SMALLEST_BUFFER_BYTES = 256

/** Sizes rise in eighths of a power of two: at most 12.5 % is lost, and lengths that vary from step to step share buffers. */
export function sizeClassBytes(byteLength: number): number {
  if (byteLength <= SMALLEST_BUFFER_BYTES) return SMALLEST_BUFFER_BYTES
  const step = Math.max(SMALLEST_BUFFER_BYTES, 2 ** (Math.floor(Math.log2(byteLength - 1)) - 3))
  return Math.ceil(byteLength / step) * step
}

/** A stretch of work whose tensors are recycled together. */
export class Scope {
  readonly #memory: Memory
  readonly tensors = new Set<Tensor>()
  constructor(memory: Memory) {
    this.#memory = memory
  }
  /** Recycles the scope's tensors; `kept` ones move to the enclosing scope. Scopes close in reverse order of opening. */
  close(...kept: readonly Tensor[]): void {
    this.#memory.closeScope(this, kept)
  }
}

export class Memory {
  readonly #gpu: GpuDevice
  readonly #recorder: Recorder
  readonly #ages = new BufferAges()
  readonly #free = new Map<number, FreeBuffers>()
  readonly #live = new Map<Tensor, Scope | undefined>()
  readonly #scopes: Scope[] = []
  #usedBytes = 0
  #peakUsedBytes = 0
  #reservedBytes = 0
  #mostReservedBytes = Number.POSITIVE_INFINITY

  constructor(gpu: GpuDevice, recorder: Recorder) {
    this.#gpu = gpu
    this.#recorder = recorder
  }

  /** From now on, buffers that wait for reuse are given back to the device before more than this is held from it. */
  reserveAtMost(bytes: number): void {
    this.#mostReservedBytes = bytes
  }

  /** A tensor with undefined contents that belongs to the innermost open scope. Errors: TensorTooLarge, ShapeMismatch. */
  allocate(shape: readonly number[], dtype: DataType, label: string): Tensor {
    return this.#allocate(shape, dtype, label, this.#scopes.at(-1))
  }

  /** A tensor with undefined contents that no scope recycles: weights, optimiser state. */
  allocatePermanent(shape: readonly number[], dtype: DataType, label: string): Tensor {
    return this.#allocate(shape, dtype, label, undefined)
  }

  #allocate(shape: readonly number[], dtype: DataType, label: string, scope: Scope | undefined): Tensor {
    const byteLength = elementCount(shape, label) * 4
    const limitBytes = Math.min(this.#gpu.limits.maxStorageBufferBindingSize, this.#gpu.limits.maxBufferSize)
    if (byteLength > limitBytes) throw new TensorTooLarge(label, byteLength, limitBytes)
    const bufferBytes = Math.min(sizeClassBytes(byteLength), limitBytes)
    const buffer = this.#free.get(bufferBytes)?.take() ?? this.#createBuffer(bufferBytes, label)
    const tensor: Tensor = { buffer, byteOffset: 0, shape: [...shape], dtype, label, byteLength }
    this.#live.set(tensor, scope)
    scope?.tensors.add(tensor)
    this.#usedBytes += buffer.size
    this.#peakUsedBytes = Math.max(this.#peakUsedBytes, this.#usedBytes)
    return tensor
  }

  #createBuffer(size: number, label: string): GPUBuffer {
    if (this.#reservedBytes + size > this.#mostReservedBytes) this.trim()
    this.#reservedBytes += size
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST
    const buffer = this.#gpu.device.createBuffer({ label, size, usage })
    this.#ages.of(buffer)
    return buffer
  }

  /** Gives a tensor's buffer back to the pool now. Releasing a view or releasing twice is MemoryMisuse. */
  release(tensor: Tensor): void {
    if (!this.#live.has(tensor)) throw new MemoryMisuse(`tensor ${tensor.label} was released twice, or is a view`)
    this.#live.get(tensor)?.tensors.delete(tensor)
    this.#live.delete(tensor)
    this.#usedBytes -= tensor.buffer.size
    const free = this.#free.get(tensor.buffer.size) ?? new FreeBuffers(this.#ages)
    this.#free.set(tensor.buffer.size, free)
    free.give(tensor.buffer)
  }

  /** Opens a scope for what follows, across `await`s if need be; close it in a `finally`. */
  openScope(): Scope {
    const scope = new Scope(this)
    this.#scopes.push(scope)
    return scope
  }

  /** Runs `body` in a scope of its own. The tensors it returns survive in the enclosing scope, all others are recycled. */
  withScope<T extends Survivors>(body: () => T): T {
    const scope = this.openScope()
    let result: T | undefined
    try {
      result = body()
      return result
    } finally {
      this.closeScope(scope, survivors(result))
    }
  }

  /** See `Scope.close`. */
  closeScope(scope: Scope, kept: readonly Tensor[]): void {
    if (this.#scopes.at(-1) !== scope) throw new MemoryMisuse("scopes must be closed in the reverse order of opening")
    this.#scopes.pop()
    const parent = this.#scopes.at(-1)
    for (const tensor of kept) {
      if (!scope.tensors.delete(tensor)) continue
      parent?.tensors.add(tensor)
      this.#live.set(tensor, parent)
    }
    for (const tensor of [...scope.tensors]) this.release(tensor)
  }

  statistics(): MemoryStatistics {
    return {
      usedBytes: this.#usedBytes,
      peakUsedBytes: this.#peakUsedBytes,
      reservedBytes: this.#reservedBytes,
    }
  }

  /** Destroys the buffers that wait for reuse, after submitting what may still read them. */
  trim(): void {
    this.#recorder.submit()
    this.#recorder.forgetBindGroups()
    for (const [size, buffers] of this.#free) {
      for (const buffer of buffers) buffer.destroy()
      this.#reservedBytes -= size * buffers.count
    }
    this.#free.clear()
  }
}

function survivors(result: Survivors): readonly Tensor[] {
  if (result === undefined) return []
  if (Array.isArray(result)) return result
  if (isTensor(result)) return [result]
  return Object.values(result as Record<string, Tensor | undefined>).filter((tensor) => tensor !== undefined)
}

function isTensor(value: object): value is Tensor {
  return "buffer" in value && "byteLength" in value
}
