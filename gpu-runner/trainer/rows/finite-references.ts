// Rows whose reference log-probs are not finite. Their gaps could never be used, and one of them would cost a whole step.
import { NoUsableRows } from "#gpu-runner/data/errors.ts"
import type { Rows } from "#gpu-runner/data/rows/token-rows.ts"

export interface FiniteRows {
  /** Training rows with their references, where the run has any. */
  readonly train: Rows
  /** Dropped rows by reason, those left out here among them as `non-finite`. */
  readonly dropped: Readonly<Record<string, number>>
}

/** Leaves out the rows whose reference log-probs are not finite. Errors: NoUsableRows when that leaves none. */
export function withFiniteReferences(rows: Rows, dropped: Readonly<Record<string, number>>): FiniteRows {
  // A pack holds none.
  if (rows.onDisk) return { train: rows, dropped }
  const train = [...rows].filter(({ reference }) => {
    return reference === undefined || Number.isFinite(reference.chosen.sum + reference.rejected.sum)
  })
  const lost = rows.length - train.length
  if (lost === 0) return { train: rows, dropped }
  const counted = { ...dropped, "non-finite": (dropped["non-finite"] ?? 0) + lost }
  if (train.length === 0) throw new NoUsableRows("the training data", counted)
  return { train, dropped: counted }
}
