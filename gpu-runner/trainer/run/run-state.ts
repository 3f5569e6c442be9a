// What a run carries from step to step, besides parameters and moments. Plain JSON, stored in every checkpoint.
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { type GapStatistics, initialGapStatistics } from "#shared/methods/gap-statistics.ts"
import type { StepGradient } from "../step/gradient-step.ts"

/** The state of a run after a step. */
export interface RunState {
  /** Optimiser steps done, skipped ones included. */
  readonly step: number
  /** Updates applied: AdamW's own count. */
  readonly updates: number
  readonly skipped: number
  readonly skippedInARow: number
  readonly statistics: GapStatistics
  /** Tokens of all steps so far. */
  readonly totalTokens: number
  readonly firstLoss: number | null
  readonly lastLoss: number | null
  /** The best evaluation so far by `earlyStoppingMetric`; the one before the first step is none. */
  readonly best: { readonly step: number; readonly value: number } | null
  readonly evaluationsSinceBest: number
  /** Early stopping, or the budget of drift, has ended the run. */
  readonly isStoppedEarly: boolean
  /** What the schedule's rate is multiplied by since evaluations were beyond the budget of drift; absent: 1, none was. */
  readonly rateShare?: number
}

export const initialState: RunState = {
  step: 0,
  updates: 0,
  skipped: 0,
  skippedInARow: 0,
  statistics: initialGapStatistics,
  totalTokens: 0,
  firstLoss: null,
  lastLoss: null,
  best: null,
  evaluationsSinceBest: 0,
  isStoppedEarly: false,
}

/** The state after a step; a skipped one leaves no trace but its counters, also not in the gap's statistics. */
export function afterStep(state: RunState, { loss }: StepGradient, isSkipped: boolean, tokens: number): RunState {
  const counted = { ...state, step: state.step + 1, totalTokens: state.totalTokens + tokens }
  if (isSkipped) return { ...counted, skipped: state.skipped + 1, skippedInARow: state.skippedInARow + 1 }
  return {
    ...counted,
    updates: state.updates + 1,
    skippedInARow: 0,
    statistics: loss.statistics,
    firstLoss: state.firstLoss ?? loss.loss,
    lastLoss: loss.loss,
  }
}

export type StoppingRule = Pick<
  TrainConfig,
  "earlyStoppingMetric" | "earlyStoppingPatience" | "klBudget" | "onKlBudget"
>

/** Of the rate that was in force. */
const LOWERED_TO = 0.5
/** What is left of the rate when lowering it no longer helps. */
const LEAST_SHARE = 1 / 1024

/**
 * The state after an evaluation at its step. An equal value is no new best; one that is not finite is never the best. With a patience
 * of n, the n-th evaluation in a row without a new best ends the run, as in transformers' EarlyStoppingCallback. One beyond the budget of
 * drift is never the best; it ends the run too, or lowers the rate of what follows. Without a drift, where there is a budget, the run ends: no
 * lower rate mends that; and it ends once the rate would be below 1/1024 of the schedule's, which learns nothing more.
 */
export function afterEvaluation(
  state: RunState,
  evaluation: {
    readonly comparableLoss: number
    readonly accuracy: number
    readonly driftPerToken?: number | undefined
  },
  rule: StoppingRule,
): RunState {
  const isLoss = rule.earlyStoppingMetric === "eval_loss"
  // α-DPO's own loss is measured against the held-out gaps themselves, and rises while the policy learns.
  const value = isLoss ? evaluation.comparableLoss : evaluation.accuracy
  const { best, rateShare = 1 } = state
  const { klBudget, onKlBudget } = rule
  const { driftPerToken = Number.NaN } = evaluation
  const isBeyond = klBudget !== undefined && !(driftPerToken <= klBudget)
  const isLowered =
    isBeyond && onKlBudget === "lower-rate" && Number.isFinite(driftPerToken) && rateShare * LOWERED_TO >= LEAST_SHARE
  const isBest =
    !isBeyond && Number.isFinite(value) && (best === null || (isLoss ? value < best.value : value > best.value))
  if (isBest) return { ...state, best: { step: state.step, value }, evaluationsSinceBest: 0 }
  const evaluationsSinceBest = state.evaluationsSinceBest + 1
  const isImpatient = rule.earlyStoppingPatience > 0 && evaluationsSinceBest >= rule.earlyStoppingPatience
  const isStoppedEarly = (isBeyond && !isLowered) || isImpatient
  const lowered = isLowered ? { rateShare: rateShare * LOWERED_TO } : {}
  return { ...state, evaluationsSinceBest, isStoppedEarly, ...lowered }
}
