// A tokenised row, as batches are made of: a preference pair, or a supervised row whose rejected response is empty.
import type { ScoredResponse } from "#shared/methods/pair-log-probs.ts"
import type { Prompts } from "#shared/wire/near-duplicates.ts"
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

/** How long the parts of a row are: all that plans ask. A row is its own shape. */
export interface RowShape {
  readonly promptIds: { readonly length: number }
  readonly chosenIds: { readonly length: number }
  readonly rejectedIds: { readonly length: number }
}

/** The rows of a run: in memory, as an array; or on disk, where a row is read when it is asked for and kept by nobody. */
export interface Rows extends Iterable<TokenRow> {
  readonly length: number
  at(index: number): TokenRow | undefined
  /** What is known of rows on disk without reading them; absent of rows in memory. */
  readonly onDisk?:
    | {
        /** In the rows' order. */
        readonly shapes: () => Iterable<RowShape>
        /** All of them have one, every number of it finite; or none has. */
        readonly hasReference: boolean
      }
    | undefined
}

/** The shapes of rows, without reading what is on disk. */
export function shapesOf(rows: Rows): Iterable<RowShape> {
  return rows.onDisk ? rows.onDisk.shapes() : rows
}

/** How many rows have a reference. */
export function countReferences(rows: Rows): number {
  if (rows.onDisk) return rows.onDisk.hasReference ? rows.length : 0
  let count = 0
  for (const { reference } of rows) if (reference !== undefined) count++
  return count
}

/** The prompts of rows, each read when it is asked for. */
export function promptsOf(rows: Rows): Prompts {
  return {
    length: rows.length,
    at: (index) => rows.at(index)?.promptIds,
    *[Symbol.iterator]() {
      for (const { promptIds } of rows) yield promptIds
    },
  }
}

/** Tokens that a row occupies in a batch. */
export function rowTokens({ promptIds, chosenIds, rejectedIds }: RowShape): number {
  return promptIds.length + chosenIds.length + rejectedIds.length
}

/** Positions that a row needs: its prompt and its longer response. */
export function rowPositions({ promptIds, chosenIds, rejectedIds }: RowShape): number {
  return promptIds.length + Math.max(chosenIds.length, rejectedIds.length)
}

/** Positions that the longest of some rows needs; 1 for none. */
export function mostPositions(rows: Rows): number {
  let most = 1
  for (const shape of shapesOf(rows)) most = Math.max(most, rowPositions(shape))
  return most
}

/** SHA-256 of a prompt's ids: the same for rows of one prompt. */
export function promptDigest({ promptIds }: Pick<TokenRow, "promptIds">): string {
  return sha256(new Uint8Array(Uint32Array.from(promptIds).buffer))
}
