// A tokenised row, as batches are made of: a preference pair, or a supervised row whose rejected response is empty.
import type { ScoredResponse } from "#shared/methods/pair-log-probs.ts"
import { sha256 } from "../files.ts"

/** Sums and counts, and where the source has them the log-probs of every token. */
export interface ReferenceLogProbs {
  readonly chosen: ScoredResponse
  readonly rejected: ScoredResponse
}

export interface TokenRow {
  readonly id: string
  /** At least one token. */
  readonly promptIds: Uint32Array
  /** At least one token; of a supervised row, its response. */
  readonly chosenIds: Uint32Array
  /** Empty for a supervised row; of a labelled row, empty until it gets its mismatched completion (`trainer/rows/kto-rows.ts`). */
  readonly rejectedIds: Uint32Array
  /** Of an unpaired row: whether its response is desirable. */
  readonly label?: boolean | undefined
  /** Weight in the loss; 1 unless the data says otherwise. */
  readonly weight: number
  /** Given with the data, never computed here. */
  readonly reference?: ReferenceLogProbs | undefined
}

/** Tokens that a row occupies in a batch. */
export function rowTokens({ promptIds, chosenIds, rejectedIds }: TokenRow): number {
  return promptIds.length + chosenIds.length + rejectedIds.length
}

/** Positions that a row needs: its prompt and its longer response. */
export function rowPositions({ promptIds, chosenIds, rejectedIds }: TokenRow): number {
  return promptIds.length + Math.max(chosenIds.length, rejectedIds.length)
}

/** Positions that the longest of some rows needs; 1 for none. */
export function mostPositions(rows: readonly TokenRow[]): number {
  return rows.reduce((most, row) => Math.max(most, rowPositions(row)), 1)
}

/** SHA-256 of a prompt's ids: the same for rows of one prompt. */
export function promptDigest({ promptIds }: Pick<TokenRow, "promptIds">): string {
  return sha256(new Uint8Array(Uint32Array.from(promptIds).buffer))
}
