// Reference: the mask of dropout from (seed, index), bit for bit as the device computes it, and dropout by it.
import type { Array64 } from "./array64.ts"

/** PCG-RXS-M-XS of 32 bits (O'Neill 2014). */
function pcg(value: number): number {
  const state = (Math.imul(value, 747_796_405) + 2_891_336_453) >>> 0
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277_803_737) >>> 0
  return ((word >>> 22) ^ word) >>> 0
}

/** Whether element `index` survives dropout at `rate`. */
export function isKept(index: number, { rate, seed }: { readonly rate: number; readonly seed: number }): boolean {
  return pcg((pcg(index) + seed) >>> 0) >= Math.floor(rate * 2 ** 32)
}

/** input / (1 − rate) where kept, else 0. It is linear: the gradient is the same of dOutput. */
export function dropout(input: Array64, options: { readonly rate: number; readonly seed: number }): Array64 {
  return { ...input, data: input.data.map((x, i) => (isKept(i, options) ? x / (1 - options.rate) : 0)) }
}
