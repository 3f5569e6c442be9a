// What an ask job gives, as JSON Lines: what a judge was asked of each pair of answers, then every request and every answer as it came. A runner writes
// it, the orchestrator counts from it; the lines of one `asked` and the records are what `yohaku judge` keeps in a folder.
import { type AskedRun, askedRunOf } from "#shared/evaluation/judge/asked-run.ts"
import { type JudgeLedger, judgeLedger, judgeRecordOf } from "#shared/evaluation/judge/judge-ledger.ts"
import { decodeLines, InvalidResponses } from "./responses.ts"

/** One comparison; the suite's own pairs, which people compared, are held against nobody. */
export interface AskedLine {
  readonly kind: "asked"
  readonly against: string | null
  readonly run: AskedRun
}

export interface AskedVerdicts {
  readonly asked: ReadonlyMap<string | null, AskedRun>
  readonly ledger: JudgeLedger
}

/** Records are lines already. */
export const encodeAskedVerdicts = (asked: readonly AskedLine[], records: readonly string[]): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(
    [...asked.map((line) => JSON.stringify(line)), ...records].map((line) => `${line}\n`).join(""),
  ) as Uint8Array<ArrayBuffer>

const isAsked = (line: unknown): line is AskedLine => (line as Partial<AskedLine> | null)?.kind === "asked"

/** Of what `judge` was asked. Throws InvalidResponses. */
export const decodeAskedVerdicts = (bytes: Uint8Array, judge: string): AskedVerdicts => {
  const asked = new Map<string | null, AskedRun>()
  const ledger = judgeLedger(judge)
  decodeLines(bytes, (line) => {
    if (isAsked(line)) asked.set(line.against, askedRunOf(line.run))
    else ledger.take(recordOf(line))
  })
  return { asked, ledger }
}

const recordOf = (line: unknown) => {
  const record = judgeRecordOf(line)
  if (record === undefined) throw new InvalidResponses("it is neither what was asked nor a record of a judge")
  return record
}
