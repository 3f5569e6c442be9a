// The suite calibration: how far a judge goes with people on pairs that both compared, and whether that is enough.
import path from "node:path"
import {
  type Bar,
  belowBar,
  type Calibration,
  calibrate,
  type Liking,
} from "#shared/evaluation/calibration/calibrate.ts"
import { readVotesFile } from "#shared/evaluation/calibration/votes-file.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { text } from "../options.ts"
import { textTable } from "../text-table.ts"
import { byModel, numberOf, readNamed, type Suite, type SuiteValues, told } from "./suite.ts"

export interface CalibrationReport extends Calibration {
  readonly accepted: boolean
}

/** The bar that a judge is held to, when it is measured and, with --calibration, before it judges. */
export const barOptions = {
  margin: text("SHARE", "how far below people's agreement with each other a judge's may be (0.05)"),
  "least-agreement": text("SHARE", "what is asked for where no pair has two people's votes (0.6)"),
  "least-kappa": text("KAPPA", "the least κ that is asked for; any by default"),
  "most-flips": text("SHARE", "of pairs on which a judge may go by the place; any by default"),
  "most-liking": text(
    "SHARE",
    "how much oftener than people a judge may take the longer answer, or more lists; any by default",
  ),
} as const

/** Throws UsageError. */
export function barOf(values: SuiteValues): Bar {
  const given = (option: keyof typeof barOptions, least: number, range: string) =>
    values[option] === undefined
      ? undefined
      : numberOf(option, values[option], (share) => share >= least && share <= 1, range)
  const shareOf = (option: keyof typeof barOptions) => given(option, 0, "a share from 0 to 1")
  const bar = {
    ...{ margin: shareOf("margin"), otherwise: shareOf("least-agreement") },
    ...{ kappa: given("least-kappa", -1, "a number from -1 to 1"), flips: shareOf("most-flips") },
    liking: shareOf("most-liking"),
  }
  return Object.fromEntries(Object.entries(bar).filter(([, value]) => value !== undefined))
}

export const calibration: Suite = {
  options: barOptions,
  report: (files, values, { rounds, seed }) => {
    const bar = barOf(values)
    const refusals: string[] = []
    const reports = files.map((file) => {
      const { judge = path.parse(file).name, pairs } = readNamed("annotations", file, readVotesFile)
      const random = new SeededRandom(seed, "votes")
      const measured = told(file, () =>
        calibrate(pairs, rounds === 0 ? undefined : { rounds, random: () => random.unit() }),
      )
      const refusal = belowBar(measured, bar)
      if (refusal !== undefined) refusals.push(`${judge}: ${refusal}`)
      const report: CalibrationReport = { accepted: refusal === undefined, ...measured }
      return [judge, file, report] as const
    })
    const models = byModel(reports)
    const refusal = `${refusals.length} of ${reports.length} judges are below the bar`
    const ofRefused = refusals.length > 0 ? { refusal } : {}
    return { models, text: () => calibrationTable(models), warnings: refusals, ...ofRefused }
  },
}

const percent = (share: number | undefined) =>
  share === undefined || Number.isNaN(share) ? "" : (100 * share).toFixed(1)
const liking = (of: Liking | undefined) =>
  of === undefined ? "" : `${percent(of.judge)} (people ${percent(of.people)})`

/** Per cent, but for κ. */
function calibrationTable(judges: ReadonlyMap<string, CalibrationReport>): string {
  const head = [
    "",
    "",
    "agreement, %",
    "95 % interval",
    "people's",
    "κ",
    "flips",
    "for the first",
    "for the longer",
    "for more lists",
  ]
  const rows = [...judges].map(([judge, each]) => [
    judge,
    each.accepted ? "accepted" : "refused",
    percent(each.agreement),
    each.interval === undefined ? "" : each.interval.map(percent).join(" to "),
    percent(each.peopleAgreement),
    Number.isNaN(each.kappa) ? "" : each.kappa.toFixed(2),
    percent(each.flips),
    percent(each.firstPlace),
    liking(each.longer),
    liking(each.moreListItems),
  ])
  return textTable([head, ...rows])
}
