// The rows of a file of judgements: a list of objects in an object, each with the name by which an error tells of it.
import { UnusableJudgements } from "./evaluation-error.ts"

/** Of one file. */
export const MAX_ROWS = 1_000_000

export interface ListedRow {
  /** "row 3": one-based. */
  readonly name: string
  readonly row: Readonly<Record<string, unknown>>
}

/** `list` is what stands under `key`, `one` what each is called, `shape` what a file is to hold. Throws UnusableJudgements. */
export function listedRows(
  list: unknown,
  { key, one, shape }: Readonly<Record<"key" | "one" | "shape", string>>,
): ListedRow[] {
  if (!Array.isArray(list)) throw new UnusableJudgements(`has no list "${key}"; give ${shape}`)
  if (list.length === 0) throw new UnusableJudgements(`holds no ${one}s; judge some answers first`)
  if (list.length > MAX_ROWS) throw new UnusableJudgements(`holds ${list.length} ${one}s; at most ${MAX_ROWS} are read`)
  return list.map((row: unknown, index) => {
    const name = `${one} ${index + 1}`
    if (typeof row !== "object" || row === null || Array.isArray(row))
      throw new UnusableJudgements(`${name} is no object; give ${shape}`)
    return { name, row: row as ListedRow["row"] }
  })
}
