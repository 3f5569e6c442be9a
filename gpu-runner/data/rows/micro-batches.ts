// Rows in the groups that are computed at once.
import { type Rows, rowTokens, type TokenRow } from "./token-rows.ts"

/** Splits rows, in order, into groups of at most `tokenBudget` tokens; a longer row is a group of its own. */
export function microBatches(rows: Rows, tokenBudget: number): TokenRow[][] {
  return [...drawnMicroBatches(rows, tokenBudget)]
}

/** As microBatches, group by group, so that only the rows of one need be in memory. */
export function* drawnMicroBatches(rows: Rows, tokenBudget: number): Generator<TokenRow[]> {
  let group: TokenRow[] = []
  let tokens = 0
  for (const row of rows) {
    const length = rowTokens(row)
    if (group.length > 0 && tokens + length > tokenBudget) {
      yield group
      group = []
      tokens = 0
    }
    group.push(row)
    tokens += length
  }
  if (group.length > 0) yield group
}
