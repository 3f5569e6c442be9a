// `yohaku judge rejudge`: runs of several judges over the same answers counted as one jury's, from what each stored. Nobody is asked.
import path from "node:path"
import { writeFileAtomically } from "#gpu-runner/data/files.ts"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { DRAW } from "#shared/evaluation/alpaca-eval/annotation.ts"
import type { AskedRun } from "#shared/evaluation/judge/asked-run.ts"
import {
  type JurorReport,
  type JurorValues,
  jurorReports,
  juryValues,
  rankAgreement,
} from "#shared/evaluation/judge/jury.ts"
import { PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"
import { pairValue } from "#shared/evaluation/judge/verdict-rows.ts"
import { type Terminal, UsageError } from "../command.ts"
import { textTable } from "../text-table.ts"
import type { Recomputed } from "./recompute.ts"
import { judgesOf, readVerdicts } from "./verdicts.ts"

const SUITE = "alpaca-eval-2"

interface JudgedRun {
  readonly folder: string
  readonly run: AskedRun
  readonly values: JurorValues
  /** The judge's name in the jury. */
  readonly juror: string
}

/** Writes the jury's annotations, a file a model, into `out`. Throws UsageError, UnusableJudgements, DamagedRecords. */
export function rejudged(
  folders: readonly string[],
  out: string | undefined,
  { tell }: Pick<Terminal, "tell">,
): Recomputed {
  if (folders.length < 2) throw new UsageError("rejudge needs two folders at least, each --out of another judge")
  if (out === undefined) throw new UsageError("--out is missing: say where the jury's verdicts are to be kept")
  const runs = named(folders.map(readRun))
  const models = [...Map.groupBy(runs, ({ run }) => run.model)]
  for (const [model, ofModel] of models) checkJury(model, ofModel)
  makeFolder(out)
  const files = models.map(([model, ofModel], index) => {
    const file = path.join(out, models.length === 1 ? "annotations.json" : `annotations-${index + 1}.json`)
    writeFileAtomically(file, `${JSON.stringify(juryAnnotations(model, ofModel))}\n`)
    return file
  })
  const judges = jurorsOf(models)
  tell(judgeTable(judges))
  return { suite: SUITE, files, more: { judges } }
}

function readRun(folder: string): Omit<JudgedRun, "juror"> {
  const { run, book } = readVerdicts(folder)
  if (run.suite !== SUITE) {
    throw new UsageError(
      `${folder} was judged under --suite ${run.suite}; a jury is of ${SUITE}, whose verdicts are numbers`,
    )
  }
  return { folder, run, values: run.pairs.map((pair) => pairValue(pair, PROTOCOLS[run.protocol], book)) }
}

/** A ladder is one voice, under the names of its judges. */
const judgeNameOf = ({ run }: Pick<JudgedRun, "run">) => judgesOf(run).join(" then ")

/** With the protocol where one judge was asked by several: its word in both orders is another voice than its log-probs. */
function named(runs: readonly Omit<JudgedRun, "juror">[]): JudgedRun[] {
  const protocols = Map.groupBy(runs, judgeNameOf)
  return runs.map((of) => {
    const name = judgeNameOf(of)
    const isOfSeveral = new Set(protocols.get(name)!.map(({ run }) => run.protocol)).size > 1
    return { ...of, juror: isOfSeveral ? `${name} (${of.run.protocol})` : name }
  })
}

const jurorOf = ({ juror }: JudgedRun) => juror

/** Throws UsageError unless different judges judged the same pairs. */
function checkJury(model: string, runs: readonly JudgedRun[]): void {
  const same = [...Map.groupBy(runs, jurorOf).values()].find((of) => of.length > 1)
  if (same !== undefined)
    throw new UsageError(
      `${same[0]!.folder} and ${same[1]!.folder} are both of ${model} by ${judgeNameOf(same[0]!)} in ${same[0]!.run.protocol}; name one`,
    )
  const pairsOf = ({ run }: JudgedRun) => run.pairs.map(({ digest }) => digest).join(" ")
  const other = runs.find((run) => pairsOf(run) !== pairsOf(runs[0]!))
  if (other === undefined) return
  throw new UsageError(`${other.folder} is of other answers than ${runs[0]!.folder}; a jury judges the same pairs`)
}

function juryAnnotations(model: string, runs: readonly JudgedRun[]) {
  const values = juryValues(runs.map((run) => run.values))
  const rows = runs[0]!.run.pairs.map(({ baselineLength: len1, modelLength: len2 }, i) => {
    const value = values[i]
    return { i, len1, len2, pref: value === undefined ? null : DRAW - 0.5 + value }
  })
  return { model, judge: runs.map(jurorOf).join(", "), protocol: "jury", rows }
}

interface JudgeInJury {
  readonly models: Readonly<Record<string, JurorReport>>
  /** Kendall's τ of its order of the models and the whole jury's; absent for fewer than two models, or where it did not judge all. */
  readonly rank_agreement?: number
}

function jurorsOf(models: readonly (readonly [string, readonly JudgedRun[]])[]): Record<string, JudgeInJury> {
  const reports = models.map(([model, runs]) => {
    const ofRuns = jurorReports(runs.map(({ values }) => values))
    return [model, new Map(runs.map((run, index) => [jurorOf(run), ofRuns[index]!]))] as const
  })
  const whole = models.map(([, runs]) => {
    const values = juryValues(runs.map((run) => run.values)).filter((value) => value !== undefined)
    return values.reduce((sum, value) => sum + value, 0) / values.length
  })
  const names = [...new Set(models.flatMap(([, runs]) => runs.map(jurorOf)))]
  return Object.fromEntries(
    names.map((name) => {
      const own = reports.flatMap(([model, byJudge]) =>
        byJudge.has(name) ? [[model, byJudge.get(name)!] as const] : [],
      )
      const rates = own.map(([, report]) => report.win_rate ?? Number.NaN)
      const agreement = own.length === models.length ? rankAgreement(rates, whole) : undefined
      return [name, { models: Object.fromEntries(own), ...(agreement !== undefined && { rank_agreement: agreement }) }]
    }),
  )
}

const shown = (value: number | null) => (value === null ? "" : value.toFixed(1))

function judgeTable(judges: Readonly<Record<string, JudgeInJury>>): string {
  const head = ["judge", "model", "win rate, %", "without it, %", "agreement with the others, %", "rank agreement"]
  const rows = Object.entries(judges).flatMap(([judge, { models, rank_agreement: rank }]) =>
    Object.entries(models).map(([model, { win_rate, win_rate_without, agreement }]) => [
      ...[judge, model, shown(win_rate), shown(win_rate_without)],
      ...[shown(agreement === null ? null : 100 * agreement), rank === undefined ? "" : rank.toFixed(2)],
    ]),
  )
  return textTable([head, ...rows])
}
