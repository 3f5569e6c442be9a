// Reproducible random inputs for the tests: the same name gives the same values everywhere.
import { type Array64, zeros64 } from "./array64.ts"

/** mulberry32: uniform in [0, 1). */
export function uniformSource(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export function seedOf(name: string): number {
  let hash = 2166136261
  for (const character of name) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619)
  return hash >>> 0
}

export interface NormalOptions {
  readonly scale?: number
  /** Every so many elements one is ten times larger: the outliers that real activations have. */
  readonly outlierEvery?: number
}

/** Normal values, rounded to f32 so that device and reference start from the same numbers. */
export function normal64(name: string, shape: readonly number[], options: NormalOptions = {}): Array64 {
  const uniform = uniformSource(seedOf(name))
  const array = zeros64(...shape)
  for (let i = 0; i < array.data.length; i++) {
    const value = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
    const isOutlier = options.outlierEvery !== undefined && i % options.outlierEvery === options.outlierEvery - 1
    array.data[i] = Math.fround(value * (options.scale ?? 1) * (isOutlier ? 10 : 1))
  }
  return array
}

/** Integers below `limit`. */
export function randomIndices(name: string, count: number, limit: number): Uint32Array {
  const uniform = uniformSource(seedOf(name))
  return Uint32Array.from({ length: count }, () => Math.floor(uniform() * limit))
}
