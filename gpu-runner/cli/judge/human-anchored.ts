// The suite human-anchored: the win rate that people would give, from a judge's word on all answers and people's votes on some.
import path from "node:path"
import { readAnchoredFile } from "#shared/evaluation/calibration/anchored-file.ts"
import { predictionPoweredMean } from "#shared/evaluation/statistics/prediction-powered.ts"
import { textTable } from "../text-table.ts"
import { byModel, readNamed, type Suite, told } from "./suite.ts"

/** Per cent; low and high are a 95 % interval. */
export interface AnchoredReport {
  readonly win_rate: number
  readonly low: number
  readonly high: number
  /** How far the judge is heeded, from 0 to 1. */
  readonly judge_weight: number
  readonly n_human: number
  readonly n_judged_alone: number
  /** From people's votes alone. */
  readonly human_win_rate: number
  readonly human_low: number
  readonly human_high: number
}

/** Below these an interval by Student's t is hardly narrower than all that can be. */
const FEW_VOTES = 10

export const humanAnchored: Suite = {
  options: {},
  report: (files) => {
    const models = byModel(
      files.map((file) => {
        const {
          model = path.parse(file).name,
          labelled,
          judgedAlone,
        } = readNamed("annotations", file, readAnchoredFile)
        return [model, file, told(file, () => anchoredReport(predictionPoweredMean(labelled, judgedAlone)))] as const
      }),
    )
    const warnings = [...models].flatMap(([model, { n_human: votes }]) =>
      votes < FEW_VOTES
        ? [`${model}: people voted on ${votes} prompts only, which says next to nothing; ask about more`]
        : [],
    )
    return { models, text: () => anchoredTable(models), warnings }
  },
}

/** The estimate is a sum that may leave the range of what it estimates. */
const percent = (share: number) => 100 * Math.min(1, Math.max(0, share))

function anchoredReport({
  mean,
  low,
  high,
  judgeWeight,
  labelled,
  judgedAlone,
  humanOnly,
}: ReturnType<typeof predictionPoweredMean>): AnchoredReport {
  return {
    win_rate: percent(mean),
    low: percent(low),
    high: percent(high),
    judge_weight: judgeWeight,
    n_human: labelled,
    n_judged_alone: judgedAlone,
    human_win_rate: percent(humanOnly.mean),
    human_low: percent(humanOnly.low),
    human_high: percent(humanOnly.high),
  }
}

function anchoredTable(models: ReadonlyMap<string, AnchoredReport>): string {
  const span = (low: number, high: number) => `${low.toFixed(1)} to ${high.toFixed(1)}`
  const head = [
    "",
    "win rate, %",
    "95 % interval",
    "of votes alone, %",
    "95 % interval",
    "votes",
    "judged alone",
    "judge's weight",
  ]
  const rows = [...models].map(([model, each]) => [
    model,
    each.win_rate.toFixed(2),
    span(each.low, each.high),
    each.human_win_rate.toFixed(2),
    span(each.human_low, each.human_high),
    `${each.n_human}`,
    `${each.n_judged_alone}`,
    each.judge_weight.toFixed(2),
  ])
  return textTable([head, ...rows])
}
