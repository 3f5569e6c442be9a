// Lays rows out for the device: `[prompt | chosen | rejected]` back to back, no padding. Both first response tokens are predicted by
// the last prompt token. Pure host code.
import { rowTokens, scoredTokens, type TokenRow } from "./token-rows.ts"

export interface PackedRows {
  /** u32 [T] */
  readonly tokenIds: Uint32Array
  readonly rows: readonly {
    readonly promptLength: number
    readonly chosenLength: number
    readonly rejectedLength: number
  }[]
  /** u32 [R]: index into tokenIds of the token that predicts each scored token. */
  readonly predictionRows: Uint32Array
  /** u32 [R]: the scored token ids, row by row, chosen before rejected. */
  readonly targets: Uint32Array
  /** [rows + 1]: where each row's scored tokens start in the two arrays above. */
  readonly scoredOffsets: Uint32Array
}

/** The layout of some rows, in their order. */
export function packRows(rows: readonly TokenRow[]): PackedRows {
  const tokenIds = new Uint32Array(rows.reduce((sum, row) => sum + rowTokens(row), 0))
  const scored = rows.reduce((sum, row) => sum + scoredTokens(row), 0)
  const predictionRows = new Uint32Array(scored)
  const targets = new Uint32Array(scored)
  const scoredOffsets = new Uint32Array(rows.length + 1)
  let token = 0
  let target = 0
  const place = (ids: Uint32Array, lastPromptToken: number) => {
    ids.forEach((_, i) => {
      predictionRows[target + i] = i === 0 ? lastPromptToken : token + i - 1
    })
    targets.set(ids, target)
    tokenIds.set(ids, token)
    token += ids.length
    target += ids.length
  }
  rows.forEach(({ promptIds, chosenIds, rejectedIds }, index) => {
    tokenIds.set(promptIds, token)
    token += promptIds.length
    const lastPromptToken = token - 1
    place(chosenIds, lastPromptToken)
    place(rejectedIds, lastPromptToken)
    scoredOffsets[index + 1] = target
  })
  const lengths = rows.map(({ promptIds, chosenIds, rejectedIds }) => ({
    promptLength: promptIds.length,
    chosenLength: chosenIds.length,
    rejectedLength: rejectedIds.length,
  }))
  return { tokenIds, rows: lengths, predictionRows, targets, scoredOffsets }
}

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
