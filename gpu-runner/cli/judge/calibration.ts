// The suite calibration: how far a judge goes with people on pairs that both compared, and whether that is enough.
import path from "node:path"
import { belowBar, type Calibration, calibrate, type Liking } from "#shared/evaluation/calibration/calibrate.ts"
import { readVotesFile } from "#shared/evaluation/calibration/votes-file.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { text } from "../options.ts"
import { textTable } from "../text-table.ts"
import { byModel, numberOf, readNamed, type Suite, told } from "./suite.ts"

export interface CalibrationReport extends Calibration {
  readonly accepted: boolean
}

export const calibration: Suite = {
  options: {
    margin: text("SHARE", "how far below people's agreement with each other a judge's may be (0.05)"),
    "least-agreement": text("SHARE", "what is asked for where no pair has two people's votes (0.6)"),
  },
  report: (files, values, { rounds, seed }) => {
    const shareOf = (option: string) =>
      values[option] === undefined
        ? undefined
        : numberOf(option, values[option], (share) => share >= 0 && share <= 1, "a share from 0 to 1")
    const [margin, otherwise] = [shareOf("margin"), shareOf("least-agreement")]
    const bar = { ...(margin !== undefined && { margin }), ...(otherwise !== undefined && { otherwise }) }
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
    return { models, text: () => calibrationTable(models), warnings: refusals }
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
