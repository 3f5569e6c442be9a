// A folder of verdicts: asked.json, the records, and annotations.json, which is computed from the two and can be at any time, without asking anybody.
import { existsSync } from "node:fs"
import path from "node:path"
import { readJudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import { sha256, writeFileAtomically } from "#gpu-runner/data/files.ts"
import { ASKED_FILE, type AskedRun, readAskedRun } from "#shared/evaluation/judge/asked-run.ts"
import type { KnownAnswers } from "#shared/evaluation/judge/judge-ledger.ts"
import { PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"
import {
  type AnswerBook,
  annotationRow,
  gamesRow,
  givenVerdict,
  votedRow,
} from "#shared/evaluation/judge/verdict-rows.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { UsageError } from "../command.ts"
import { readNamed } from "./suite.ts"

export const ANNOTATIONS_FILE = "annotations.json"

/** Throws UsageError where the folder holds verdicts on something else, which would be replaced. */
export function writeAskedRun(directory: string, run: AskedRun): void {
  refuseOther(directory, run)
  writeFileAtomically(path.join(directory, ASKED_FILE), `${JSON.stringify(run)}\n`)
}

/** What may not differ between the starts of one run, as it is called on the command line. */
const ORIGIN: Readonly<Record<string, (run: AskedRun) => unknown>> = {
  "another --suite": ({ suite }) => suite,
  "another protocol (--verdict)": ({ protocol }) => protocol,
  "another judge": ({ judge }) => judge,
  "another model": ({ model }) => model,
  "other parameters": ({ parameters }) => parameters,
  "another --prompt": ({ template }) => template,
  "other answers": ({ pairs }) => pairs.map(({ digest }) => digest),
}

function refuseOther(directory: string, run: AskedRun): void {
  const [file, verdicts] = [ASKED_FILE, ANNOTATIONS_FILE].map((name) => path.join(directory, name))
  if (!existsSync(file!) || !existsSync(verdicts!)) return
  const before = readNamed("out", file!, readAskedRun)
  const differing = Object.entries(ORIGIN).find(([, of]) => canonicalJson(of(before)) !== canonicalJson(of(run)))
  if (differing === undefined) return
  const [name, of] = differing
  const [was, is] = [of(before), of(run)]
  const both = typeof was === "string" && typeof is === "string" ? `: ${was}, and now ${is}` : ""
  throw new UsageError(`--out ${directory} holds verdicts of ${name}${both}; choose another --out`)
}

/** Whose verdicts count: those of a ladder's earlier rungs, and at last the run's own judge. */
export function judgesOf({ judge, pairs }: AskedRun): string[] {
  return [...new Set([...pairs.flatMap((pair) => givenVerdict(pair)?.judge ?? []), judge])]
}

/** The verdicts as their suite counts them; returns the file's name. */
export function writeAnnotations(directory: string, run: AskedRun, book: AnswerBook): string {
  const protocol = PROTOCOLS[run.protocol]
  const { model, judge } = run
  const file = path.join(directory, ANNOTATIONS_FILE)
  const write = (verdicts: object) => writeFileAtomically(file, `${JSON.stringify(verdicts)}\n`)
  if (run.suite === "calibration") {
    return writeVotes(
      directory,
      run,
      run.pairs.flatMap((pair) => votedRow(pair, protocol, book) ?? []),
    )
  }
  const rowOf = run.suite.startsWith("arena-hard")
    ? (pair: AskedRun["pairs"][number]) => gamesRow(pair, protocol, book)
    : (pair: AskedRun["pairs"][number], index: number) => annotationRow(pair, index, protocol, book)
  const isLadder = judgesOf(run).length > 1
  // What a judge on this machine computes with is nowhere else; an endpoint's parameters stand with the questions.
  const computedWith = protocol.template.length === 0 ? run.parameters : {}
  write({ model, judge, protocol: isLadder ? "ladder" : run.protocol, ...computedWith, rows: run.pairs.map(rowOf) })
  return file
}

/** Pairs that both people and a judge compared, as the suite calibration reads them, and how the judge was asked; returns the file's name. */
export function writeVotes(
  directory: string,
  { judge, protocol, parameters, template }: JudgedAlike,
  pairs: readonly object[],
): string {
  const file = path.join(directory, ANNOTATIONS_FILE)
  const asked = { judge, protocol, parameters, template: templateDigest(template) }
  writeFileAtomically(file, `${JSON.stringify({ ...asked, pairs })}\n`)
  return file
}

/** What makes verdicts those of one judge. */
export type JudgedAlike = Pick<AskedRun, "judge" | "protocol" | "parameters" | "template">

/** Undefined of a judge that is shown no words. */
export const templateDigest = (template: AskedRun["template"]): string | undefined =>
  template.length === 0 ? undefined : sha256(canonicalJson(template))

/** What was asked and answered in a folder. Throws UsageError, UnusableJudgements, DamagedRecords. */
export function readVerdicts(directory: string): { readonly run: AskedRun; readonly book: KnownAnswers } {
  const file = path.join(directory, ASKED_FILE)
  if (!existsSync(file)) throw new UsageError(`${file} is missing; name a folder that was --out of yohaku judge`)
  const run = readNamed("out", file, readAskedRun)
  return { run, book: readJudgeRecords(directory, run.judge) }
}
