// A folder of verdicts: asked.json, the records, and annotations.json, which is computed from the two and can be at any time, without asking anybody.
import { existsSync } from "node:fs"
import path from "node:path"
import { readJudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import { writeFileAtomically } from "#gpu-runner/data/files.ts"
import { ASKED_FILE, type AskedRun, readAskedRun } from "#shared/evaluation/judge/asked-run.ts"
import type { KnownAnswers } from "#shared/evaluation/judge/judge-ledger.ts"
import { PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"
import { type AnswerBook, annotationRow, gamesRow, votedRow } from "#shared/evaluation/judge/verdict-rows.ts"
import { UsageError } from "../command.ts"
import { readNamed } from "./suite.ts"

export const ANNOTATIONS_FILE = "annotations.json"

export function writeAskedRun(directory: string, run: AskedRun): void {
  writeFileAtomically(path.join(directory, ASKED_FILE), `${JSON.stringify(run)}\n`)
}

/** The verdicts as their suite counts them; returns the file's name. */
export function writeAnnotations(directory: string, run: AskedRun, book: AnswerBook): string {
  const protocol = PROTOCOLS[run.protocol]
  const { model, judge } = run
  const file = path.join(directory, ANNOTATIONS_FILE)
  const write = (verdicts: object) => writeFileAtomically(file, `${JSON.stringify(verdicts)}\n`)
  if (run.suite === "calibration") {
    write({ judge, protocol: run.protocol, pairs: run.pairs.flatMap((pair) => votedRow(pair, protocol, book) ?? []) })
    return file
  }
  const rowOf = run.suite.startsWith("arena-hard")
    ? (pair: AskedRun["pairs"][number]) => gamesRow(pair, protocol, book)
    : (pair: AskedRun["pairs"][number], index: number) => annotationRow(pair, index, protocol, book)
  write({ model, judge, protocol: run.protocol, rows: run.pairs.map(rowOf) })
  return file
}

/** What was asked and answered in a folder. Throws UsageError, UnusableJudgements, DamagedRecords. */
export function readVerdicts(directory: string): { readonly run: AskedRun; readonly book: KnownAnswers } {
  const file = path.join(directory, ASKED_FILE)
  if (!existsSync(file)) throw new UsageError(`${file} is missing; name a folder that was --out of yohaku judge`)
  const run = readNamed("out", file, readAskedRun)
  return { run, book: readJudgeRecords(directory, run.judge) }
}
