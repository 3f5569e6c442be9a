// Rows in the groups that are computed at once.
import { rowTokens, type TokenRow } from "./token-rows.ts"

/** Splits rows, in order, into groups of at most `tokenBudget` tokens; a longer row is a group of its own. */
export function microBatches(rows: readonly TokenRow[], tokenBudget: number): TokenRow[][] {
  const groups: TokenRow[][] = []
  let tokens = Number.POSITIVE_INFINITY
  for (const row of rows) {
    const length = rowTokens(row)
    if (tokens + length > tokenBudget) {
      groups.push([])
      tokens = 0
    }
    groups.at(-1)!.push(row)
    tokens += length
  }
  return groups
}
