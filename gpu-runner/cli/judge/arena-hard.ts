// The suites arena-hard-0.1 and arena-hard-2: scores against one baseline, as judged and at equal style.
import path from "node:path"
import { CONFIDENCE, MODES } from "#shared/evaluation/arena-hard/interval.ts"
import { readBaselineStyles, readJudgementFile } from "#shared/evaluation/arena-hard/judgement-file.ts"
import { type ArenaHardOptions, type ArenaHardReport, arenaHardReport } from "#shared/evaluation/arena-hard/report.ts"
import { CONTROLS } from "#shared/evaluation/arena-hard/style-features.ts"
import type { Version } from "#shared/evaluation/arena-hard/verdict.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { UsageError } from "../command.ts"
import { choiceOf, text } from "../options.ts"
import { textTable } from "../text-table.ts"
import { byModel, type Drawing, readNamed, type Suite, type SuiteValues } from "./suite.ts"

const BASELINE_STYLE = "baseline-style"

const OPTIONS = {
  [BASELINE_STYLE]: text(
    "FILE",
    "the style counts of the baseline's answers (JSON): scores at equal style, of all files together",
  ),
  control: text(
    "NAME",
    `what is held equal: ${CONTROLS.join(", ")} (${CONTROLS[0]}, where --${BASELINE_STYLE} is given)`,
  ),
  draws: text("NAME", `what the intervals draw: cluster, questions; row, rows as the authors do (${MODES[0]})`),
}

export const arenaHard = (version: Version): Suite => ({
  protocols: [version === "0.1" ? "arena-hard-0.1" : "arena-hard-2"],
  options: OPTIONS,
  report: (files, values, drawing) => {
    const ofLadders: string[] = []
    const read = files.map((file) => {
      const { model, questions, protocol } = readNamed("annotations", file, (bytes) =>
        readJudgementFile(bytes, version),
      )
      const name = model ?? path.parse(file).name
      if (protocol === "ladder") ofLadders.push(name)
      return [name, file, questions] as const
    })
    const models = arenaHardReport(byModel(read), { version, ...optionsOf(values, drawing) })
    return {
      models,
      text: () => scoreTable(models, version),
      warnings: [...ofLadders.map(ladderWarning), ...warningsOf(models)],
    }
  },
})

function optionsOf(values: SuiteValues, { rounds, seed }: Drawing): Omit<ArenaHardOptions, "version"> {
  const written = (option: string) => values[option] as string | undefined
  const file = written(BASELINE_STYLE)
  const control = choiceOf("control", written("control"), CONTROLS, CONTROLS.join(", "))
  if (control !== undefined && file === undefined) {
    throw new UsageError(`--control ${control} needs the baseline's styles: give --${BASELINE_STYLE} FILE`)
  }
  return {
    control:
      file === undefined
        ? undefined
        : { of: control ?? CONTROLS[0], baseline: readNamed(BASELINE_STYLE, file, readBaselineStyles) },
    mode: choiceOf("draws", written("draws"), MODES, MODES.join(", ")) ?? MODES[0],
    resampling:
      rounds === 0
        ? undefined
        : () => {
            const random = new SeededRandom(seed, "judgements")
            return { rounds, random: () => random.unit() }
          },
  }
}

/** Per cent. */
function scoreTable(models: ReadonlyMap<string, ArenaHardReport>, version: Version): string {
  const [first] = models.values()
  const score = first!.control === null ? "score, %" : `score at equal ${first!.control}, %`
  const compared = [...models.values()].find(({ difference }) => difference !== undefined)?.difference
  const head = ["", score, `${100 * CONFIDENCE[version]} % interval`, "win rate, %", "questions", "games dropped"]
  const rows = [...models].map(([model, report]) => [
    model,
    report.score.toFixed(2),
    report.low === undefined ? "" : `${report.low.toFixed(1)} to ${report.high!.toFixed(1)}`,
    report.win_rate.toFixed(2),
    `${report.n_questions}`,
    `${report.n_games_dropped}`,
    ...(compared === undefined ? [] : [differenceOf(report)]),
  ])
  return textTable([[...head, ...(compared === undefined ? [] : [`less ${compared.from}`])], ...rows])
}

const signed = (value: number) => `${value < 0 ? "" : "+"}${value.toFixed(1)}`

/** On the questions of both, with its 95 % interval. */
function differenceOf({ difference }: ArenaHardReport): string {
  if (difference === undefined) return ""
  return `${signed(difference.score)} (${signed(difference.low)} to ${signed(difference.high)})`
}

/** Of the games that were played: fewer with a verdict than this are told. */
const LEAST_WITH_VERDICT = 0.99

const ladderWarning = (model: string) =>
  `${model}: verdicts are those of a ladder of judges, each asked where those before were undecided (ladder): compare the score only with others of this protocol`

function warningsOf(models: ReadonlyMap<string, ArenaHardReport>): string[] {
  return [...models].flatMap(([model, { n_games_dropped: dropped, n_questions: questions }]) =>
    dropped > (1 - LEAST_WITH_VERDICT) * 2 * questions
      ? [`${model}: games without a verdict that counts: ${dropped}; the score is of the others alone`]
      : [],
  )
}
