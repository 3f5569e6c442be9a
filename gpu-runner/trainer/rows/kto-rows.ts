// Rows as KTO takes them: one completion each, labelled, and beside it the mismatched completion that the KL is estimated with. All is a
// function of the data's order alone, so that neither shuffling nor micro-batching moves it.
import { promptDigest, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { UnusableConfig } from "../errors.ts"

export interface KtoRows {
  /** `chosenIds` is the row's completion, `rejectedIds` the mismatched one; none has a reference yet. */
  readonly rows: readonly TokenRow[]
  /** Mismatched completions that were cut, because the prompt and they were longer than `maxLength` tokens. */
  readonly truncated: number
  /** Rows whose mismatched completion answers their own prompt after all. */
  readonly matched: number
}

/**
 * Labelled rows stay as they are, a pair becomes a desirable row and, behind all others, an undesirable one (TRL's
 * unpair_preference_dataset). Each row's mismatched completion is that of the row before it, round to the last (trl/trainer/kto_trainer.py),
 * or of a row further before it where neighbours share a prompt: one distance for all rows, so that the mismatched completions are the
 * rows' own, each once. One that would not fit is cut: an estimate can stand that, a completion cannot.
 * Errors: UnusableConfig for fewer than two rows.
 */
export function ktoRows(rows: readonly TokenRow[], maxLength: number): KtoRows {
  const labelled = [...rows.map(firstRow), ...rows.filter(isPair).map(undesirableRow)]
  if (labelled.length < 2) {
    throw new UnusableConfig("kto estimates its KL from the completions of other rows and needs at least two; add rows")
  }
  const { distance, met: matched } = mismatchDistance(labelled)
  let truncated = 0
  const mismatched = labelled.map((row, index): TokenRow => {
    const { chosenIds } = labelled.at((index - distance) % labelled.length)!
    const room = maxLength - row.promptIds.length
    if (chosenIds.length > room) truncated++
    return { ...row, rejectedIds: chosenIds.subarray(0, room) }
  })
  return { rows: mismatched, truncated, matched }
}

/** The rows of `ktoRows` in the data's own order, each pair's undesirable one right behind its desirable one: no step sees one side alone. */
export function inTurn(rows: readonly TokenRow[], data: readonly TokenRow[]): readonly TokenRow[] {
  let undesirable = data.length
  return data.flatMap((row, index) => [rows[index]!, ...(isPair(row) ? [rows[undesirable++]!] : [])])
}

/** Data with more answers to one prompt in a row than this meets its own prompts now and then. */
const FARTHEST = 64

/** The smallest distance at which no row meets a completion of its own prompt; where there is none, that with the fewest. */
function mismatchDistance(rows: readonly TokenRow[]): { readonly distance: number; readonly met: number } {
  const prompts = rows.map(promptDigest)
  let best = { distance: 1, met: Number.POSITIVE_INFINITY }
  for (let distance = 1; distance < Math.min(rows.length, FARTHEST + 1) && best.met > 0; distance++) {
    const met = prompts.filter((prompt, index) => prompt === prompts.at((index - distance) % rows.length)).length
    if (met < best.met) best = { distance, met }
  }
  return best
}

function isPair({ label }: TokenRow): boolean {
  return label === undefined
}

function firstRow({ reference: _, ...row }: TokenRow): TokenRow {
  return isPair(row) ? { ...row, id: `${row.id}/chosen`, label: true } : row
}

function undesirableRow({ reference: _, ...row }: TokenRow): TokenRow {
  return { ...row, id: `${row.id}/rejected`, chosenIds: row.rejectedIds, label: false }
}

/** Held-out pairs as labelled rows. Errors: UnusableConfig for rows that are no pairs, since accuracy compares two responses. */
export function heldOutKtoRows(rows: readonly TokenRow[], maxLength: number): readonly TokenRow[] {
  if (!rows.every(isPair)) {
    throw new UnusableConfig("held-out rows are judged as pairs, and labelled rows are none; give pairs by --held-out")
  }
  return rows.length === 0 ? rows : ktoRows(rows, maxLength).rows
}

/** The pairs behind `heldOutKtoRows`, in their order: what belongs to its desirable and to its undesirable rows. */
export function pairedAgain<T>(ofRows: readonly T[]): { readonly chosen: T; readonly rejected: T }[] {
  const half = ofRows.length / 2
  return ofRows.slice(0, half).map((chosen, index) => ({ chosen, rejected: ofRows[half + index]! }))
}
