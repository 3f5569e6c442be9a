// The suite alpaca-eval-2: win rates against one baseline, as judged and at equal lengths.
import path from "node:path"
import { readAnnotationFile } from "#shared/evaluation/alpaca-eval/annotation-file.ts"
import { foreseenBetween } from "#shared/evaluation/alpaca-eval/length-controlled.ts"
import type { Difficulties } from "#shared/evaluation/alpaca-eval/length-rows.ts"
import type { Interval } from "#shared/evaluation/alpaca-eval/refit-bootstrap.ts"
import { type AlpacaEvalReport, alpacaEvalReport, LEAST_JUDGED } from "#shared/evaluation/alpaca-eval/report.ts"
import { readDifficulties, readGamedRows } from "#shared/evaluation/alpaca-eval/set-files.ts"
import { LEAST_AUDITED } from "#shared/evaluation/judge/ladder.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { flag, text } from "../options.ts"
import { textTable } from "../text-table.ts"
import { byModel, numberOf, readNamed, type Suite, type SuiteValues, told } from "./suite.ts"

const DIFFICULTY = "difficulty"
const GAMED = "gamed"

export const alpacaEval2: Suite = {
  protocols: ["log-probs", "text"],
  options: {
    regularisation: text("C", "of the fit's L1 penalty |w|/C; by default chosen by cross-validation"),
    [GAMED]: text("FILE", "the baseline's verbose and concise answers, judged against its own (CSV)"),
    [DIFFICULTY]: text("FILE", "the instructions' difficulties (JSON); leave it away for instructions of your own"),
    "by-position": flag("the n-th row is of the n-th difficulty, as alpaca_eval joins them, whatever its i says"),
    "least-judged": text("SHARE", `refuse when fewer of the pairs have a preference (${LEAST_JUDGED})`),
  },
  report: (files, values, { rounds, seed }) => {
    const options = optionsOf(values)
    const reports = files.map((file) => {
      const read = readNamed("annotations", file, readAnnotationFile)
      // Each model's draws are its own, so that its interval does not depend on which files stand beside it.
      const random = new SeededRandom(seed, "annotations")
      const resampling = rounds === 0 ? undefined : { rounds, random: () => random.unit() }
      const report = told(file, () => alpacaEvalReport(read, { ...options, resampling }))
      return [read.model ?? path.parse(file).name, file, report] as const
    })
    const models = byModel(reports)
    return {
      models,
      text: () =>
        [winRateTable(models), ...ladderLines(models), ...betweenTable(models, options.difficulties)].join("\n"),
      warnings: [
        ...protocolsWarning(models),
        ...[...models].flatMap(([model, { warnings }]) => warnings.map((warning) => `${model}: ${warning}`)),
      ],
    }
  },
}

function optionsOf(values: SuiteValues) {
  const fileOf = <A>(option: string, read: (bytes: Uint8Array) => A): A | undefined =>
    typeof values[option] === "string" ? readNamed(option, values[option], read) : undefined
  const { regularisation, "least-judged": leastJudged } = values
  return {
    gamed: fileOf(GAMED, readGamedRows) ?? [],
    difficulties: fileOf(DIFFICULTY, readDifficulties),
    joinsByPosition: values["by-position"] === true,
    regularisation:
      regularisation === undefined
        ? undefined
        : numberOf("regularisation", regularisation, (c) => c >= 1e-9 && c <= 1e9, "a number from 1e-9 to 1e9"),
    leastJudged:
      leastJudged === undefined
        ? LEAST_JUDGED
        : numberOf("least-judged", leastJudged, (share) => share > 0 && share <= 1, "a share above 0, at most 1"),
  }
}

/** A file that does not say how its judge was asked may be of any. */
function protocolsWarning(models: ReadonlyMap<string, AlpacaEvalReport>): string[] {
  const named = new Set([...models.values()].flatMap(({ protocol }) => protocol ?? []))
  return named.size < 2
    ? []
    : [`the files are of ${named.size} protocols (${[...named].join(", ")}): their rates do not compare`]
}

const spanned = (interval: Interval | undefined) =>
  interval === undefined ? "" : `${interval[0].toFixed(1)} to ${interval[1].toFixed(1)}`

/** Per cent, with 95 % intervals over instructions. */
function winRateTable(models: ReadonlyMap<string, AlpacaEvalReport>): string {
  const head = ["", "win rate, %", "95 % interval", "length-controlled, %", "95 % interval", "judged", "length", "C"]
  const rows = [...models].map(([model, report]) => [
    model,
    report.win_rate.toFixed(2),
    spanned(report.win_rate_interval),
    report.length_controlled_winrate?.toFixed(2) ?? "",
    spanned(report.length_controlled_winrate_interval),
    `${report.n_total}`,
    `${report.avg_length}`,
    typeof report.regularisation !== "number" ? "" : `${Number(report.regularisation.toPrecision(4))}`,
  ])
  return textTable([head, ...rows])
}

const whyNotTold = (audited: number): string =>
  audited === 0
    ? "not asked: --audit"
    : `asked of ${audited} ${audited === 1 ? "pair" : "pairs"} only: ${LEAST_AUDITED} with different verdicts are needed; give a larger --audit`

/** Whose the verdicts are, where several judges gave them. */
function ladderLines(models: ReadonlyMap<string, AlpacaEvalReport>): string[] {
  return [...models].flatMap(([model, { ladder }]) => {
    if (ladder === undefined) return []
    const { judges, audited, agreement, last } = ladder
    const whose = Object.entries(judges).map(([judge, count]) => `${count} of ${judge}`)
    if (last === null)
      return [`${model}: ${whose.join(", ")}; what the last would say of the others was ${whyNotTold(audited)}`]
    const rate = `${last.win_rate.toFixed(1)} % (${last.low.toFixed(1)} to ${last.high.toFixed(1)})`
    return [
      `${model}: ${whose.join(", ")}; by ${last.judge} alone about ${rate}, from ${audited} pairs of the others, ` +
        `on which it goes with them at ${(100 * agreement!).toFixed(1)} %`,
    ]
  })
}

/** What the fits foresee of one model against another at equal length, where they were fitted on the same columns. */
function betweenTable(models: ReadonlyMap<string, AlpacaEvalReport>, difficulties: Difficulties | undefined): string[] {
  if (models.size < 2) return []
  const instructions = difficulties === undefined ? [0] : [...difficulties.keys()]
  const rows = [...models].map(([model, { weights }]) => [
    model,
    ...[...models.values()].map((other) =>
      weights === undefined || other.weights === undefined
        ? ""
        : foreseenBetween(instructions, weights, other.weights, difficulties).toFixed(1),
    ),
  ])
  return [
    "",
    "foreseen win rate of the row's model against the column's, %",
    textTable([["", ...models.keys()], ...rows]),
  ]
}
