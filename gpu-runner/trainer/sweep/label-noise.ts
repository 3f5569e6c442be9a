// Label noise for studies: a seeded share of the pairs with chosen and rejected exchanged, references and all.

import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"

/**
 * Exchanges the responses of round(share × rows) rows. The rows come from one order per seed, so that of two shares the larger one's
 * rows include the smaller one's, and every method sees the same noise.
 */
export function withLabelNoise(rows: readonly TokenRow[], share: number, seed: number): TokenRow[] {
  const order = new SeededRandom(seed, "label noise").permutation(rows.length)
  const flipped = new Set(order.subarray(0, Math.round(share * rows.length)))
  return rows.map((row, index) => (flipped.has(index) ? exchanged(row) : row))
}

function exchanged(row: TokenRow): TokenRow {
  const { chosenIds, rejectedIds, reference } = row
  return {
    ...row,
    chosenIds: rejectedIds,
    rejectedIds: chosenIds,
    reference: reference && { chosen: reference.rejected, rejected: reference.chosen },
  }
}
