// `yohaku judge recompute`: every number of a judged run, from what it stored. Nobody is asked.
import type { Terminal } from "../command.ts"
import { UsageError } from "../command.ts"
import { judgesOf, readVerdicts, writeAnnotations } from "./verdicts.ts"

export interface Recomputed {
  readonly suite: string
  readonly files: readonly string[]
  readonly decision?: undefined
  /** Told beside the report. */
  readonly more?: object
}

/** Writes each folder's annotations.json anew. Throws UsageError, UnusableJudgements, DamagedRecords. */
export function recomputed(
  folders: readonly string[],
  suite: string | undefined,
  { tell }: Pick<Terminal, "tell">,
): Recomputed {
  if (folders.length === 0) throw new UsageError("recompute needs a folder that was --out of yohaku judge")
  const read = folders.map((folder) => ({ folder, ...readVerdicts(folder) }))
  const wanted = suite ?? read[0]!.run.suite
  const files = read.map(({ folder, run, book }) => {
    if (run.suite !== wanted) {
      throw new UsageError(`${folder} was judged under --suite ${run.suite}, not ${wanted}; count each suite by itself`)
    }
    const { prompt, completion } = book.tokens()
    tell(
      `${folder}: ${judgesOf(run).join(", then ")} in ${run.protocol}; ${book.requests()} requests, ${prompt} tokens read, ${completion} written`,
    )
    return writeAnnotations(folder, run, book)
  })
  return { suite: wanted, files }
}
