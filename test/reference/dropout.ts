// Reference: the mask of dropout from (seed, row seed, column), bit for bit as the device computes it, and dropout by it.
import type { Array64 } from "./array64.ts"

/** PCG-RXS-M-XS of 32 bits (O'Neill 2014). */
function pcg(value: number): number {
  const state = (Math.imul(value, 747_796_405) + 2_891_336_453) >>> 0
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277_803_737) >>> 0
  return ((word >>> 22) ^ word) >>> 0
}

export interface Dropout64 {
  readonly rate: number
  readonly seed: number
}

/** Whether element `column` of a row survives dropout at `rate`. */
export function isKept(column: number, { rate, seed }: Dropout64, rowSeed = 0): boolean {
  return pcg((pcg(column) + pcg((rowSeed + seed) >>> 0)) >>> 0) >= Math.floor(rate * 2 ** 32)
}

/** input [T, C] / (1 − rate) where kept, else 0. It is linear: the gradient is the same of dOutput. */
export function dropout(input: Array64, options: Dropout64, rowSeeds: ArrayLike<number>): Array64 {
  const columns = input.shape[1]!
  const isKeptAt = (i: number) => isKept(i % columns, options, rowSeeds[Math.floor(i / columns)])
  return { ...input, data: input.data.map((x, i) => (isKeptAt(i) ? x / (1 - options.rate) : 0)) }
}
