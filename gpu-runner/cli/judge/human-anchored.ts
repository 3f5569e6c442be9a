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
    return { models, text: () => anchoredTable(models), warnings: [] }
  },
}

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
    win_rate: 100 * mean,
    low: 100 * low,
    high: 100 * high,
    judge_weight: judgeWeight,
    n_human: labelled,
    n_judged_alone: judgedAlone,
    human_win_rate: 100 * humanOnly.mean,
    human_low: 100 * humanOnly.low,
    human_high: 100 * humanOnly.high,
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
