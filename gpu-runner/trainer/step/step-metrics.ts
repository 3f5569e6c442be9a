// One object of metrics.jsonl per optimiser step, with TRL's names where they exist. Means are over pairs; logps are sums, as in TRL.

import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { klEstimate } from "#shared/methods/accuracy.ts"
import { sampleMoments } from "#shared/methods/gap-statistics.ts"
import { isPreferenceMethod, preferenceDefinitionOf } from "#shared/methods/methods.ts"
import { gapOf, type PairLogProbs } from "#shared/methods/pair-log-probs.ts"
import type { StepGradient } from "./gradient-step.ts"
import type { BatchLoss } from "./step-loss.ts"

export type StepMetrics = Readonly<Record<string, number | string | boolean | null>>

export interface StepFacts {
  /** From 1. */
  readonly step: number
  readonly gradient: StepGradient
  readonly gradientNorm: number
  readonly learningRate: number
  readonly epoch: number
  /** Tokens of all steps so far, prompts included. */
  readonly totalTokens: number
  readonly tokensPerSecond: number
  readonly isSkipped: boolean
  readonly config: TrainConfig
  readonly kept: number
  readonly dropped: Readonly<Record<string, number>>
  /** Of kto: mismatched completions that were cut to fit. */
  readonly truncatedKlSamples: number
  readonly referenceDigest: string | undefined
}

/** The step's line. Values that are not finite become null. */
export function stepMetrics(facts: StepFacts): StepMetrics {
  const { gradient, dropped } = facts
  const droppedTotal = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  return {
    step: facts.step,
    loss: finite(gradient.loss.loss),
    ...comparableMetrics(gradient.loss),
    grad_norm: finite(facts.gradientNorm),
    learning_rate: facts.learningRate,
    epoch: facts.epoch,
    num_tokens: facts.totalTokens,
    entropy: finite(gradient.entropy),
    tokens_per_second: facts.tokensPerSecond,
    ...policyMetrics(gradient.loss),
    ...methodMetrics(gradient.loss, facts.config),
    "pairs/kept": facts.kept,
    "pairs/dropped": droppedTotal,
    ...Object.fromEntries(Object.entries(dropped).map(([reason, count]) => [`pairs/${reason}`, count])),
    ...(facts.truncatedKlSamples > 0 ? { "kl/truncated_samples": facts.truncatedKlSamples } : {}),
    ...(facts.referenceDigest === undefined ? {} : { "reference/digest": facts.referenceDigest }),
    ...(facts.isSkipped ? { skipped: true } : {}),
  }
}

/** Of an evaluation where there is a budget of drift: what was held to it, and what is left of the schedule's rate where it was lowered. */
export function budgetMetrics(
  { klBudget }: TrainConfig,
  { rateShare }: { readonly rateShare?: number },
  { driftPerToken = Number.NaN }: { readonly driftPerToken?: number | undefined },
): Record<string, number | null> {
  if (klBudget === undefined) return {}
  return { eval_drift: finite(driftPerToken), ...(rateShare === undefined ? {} : { rate_share: rateShare }) }
}

/** α-DPO: its loss at the fixed margin, which steps and evaluations can be compared by. */
export function comparableMetrics({
  comparableLoss,
}: Pick<BatchLoss, "comparableLoss">): Record<string, number | null> {
  return comparableLoss === undefined ? {} : { loss_at_fixed_margin: finite(comparableLoss) }
}

/** Rewards, log-probs and, where there is a reference, gap and KL: means over the pairs of a loss. */
export function policyMetrics(loss: BatchLoss): Record<string, number | null> {
  const { pairs, losses, negativeLogLikelihood, pairWeights } = loss
  const chosen = { "logps/chosen": mean(pairs, ({ policyChosen }) => policyChosen.sum) }
  if (losses.length === 0) return chosen
  if (loss.kl !== undefined) return labelledMetrics(loss, loss.kl)
  const rewards = losses.map(({ rewardChosen = Number.NaN, rewardRejected = Number.NaN }) => ({
    rewardChosen,
    rewardRejected,
  }))
  return {
    "rewards/chosen": mean(rewards, ({ rewardChosen }) => rewardChosen),
    "rewards/rejected": mean(rewards, ({ rewardRejected }) => rewardRejected),
    "rewards/margins": mean(rewards, ({ rewardChosen, rewardRejected }) => rewardChosen - rewardRejected),
    "rewards/accuracies": mean(rewards, ({ rewardChosen, rewardRejected }) => (rewardChosen > rewardRejected ? 1 : 0)),
    ...chosen,
    "logps/rejected": mean(pairs, ({ policyRejected }) => policyRejected.sum),
    ...(negativeLogLikelihood === undefined ? {} : { nll_loss: finite(negativeLogLikelihood) }),
    ...(pairWeights === undefined ? {} : { "weighting/mean": mean(pairWeights, (weight) => weight) }),
    ...divergenceMetrics(pairs),
    ...referenceMetrics(pairs),
  }
}

/** KL(reference ‖ policy) of each side, summed over a response's positions, where it was computed. */
function divergenceMetrics(pairs: readonly PairLogProbs[]): Record<string, number | null> {
  if (pairs.some(({ policyChosen }) => policyChosen.divergence === undefined)) return {}
  return {
    "divergence/chosen": mean(pairs, ({ policyChosen }) => policyChosen.divergence ?? Number.NaN),
    "divergence/rejected": mean(pairs, ({ policyRejected }) => policyRejected.divergence ?? Number.NaN),
  }
}

/** Unpaired rows: chosen are the desirable completions, rejected the undesirable ones, each where the step has any. */
function labelledMetrics({ pairs, losses }: BatchLoss, kl: number): Record<string, number | null> {
  const side = (name: "chosen" | "rejected", label: boolean) => {
    const rows = pairs.filter((pair) => pair.label === label)
    if (rows.length === 0) return {}
    const rewards = losses.flatMap(({ rewardChosen, rewardRejected }) => (label ? rewardChosen : rewardRejected) ?? [])
    return {
      [`rewards/${name}`]: mean(rewards, (reward) => reward),
      [`logps/${name}`]: mean(rows, ({ policyChosen }) => policyChosen.sum),
      [`logps/ref_${name}`]: mean(rows, ({ referenceChosen }) => referenceChosen?.sum ?? Number.NaN),
    }
  }
  const sides: Record<string, number | null> = { ...side("chosen", true), ...side("rejected", false) }
  const [chosen, rejected] = [sides["rewards/chosen"], sides["rewards/rejected"]]
  const margins =
    typeof chosen === "number" && typeof rejected === "number" ? { "rewards/margins": chosen - rejected } : {}
  return { kl: finite(kl), ...sides, ...margins }
}

function referenceMetrics(pairs: readonly PairLogProbs[]): Record<string, number | null> {
  if (pairs.some(({ referenceChosen, referenceRejected }) => !referenceChosen || !referenceRejected)) return {}
  const kl = klEstimate(
    pairs.flatMap(({ policyChosen, policyRejected }) => [policyChosen, policyRejected]),
    pairs.flatMap(({ referenceChosen, referenceRejected }) => [referenceChosen!, referenceRejected!]),
  )
  const gaps = sampleMoments(pairs.map((pair) => gapOf(pair)!))
  return {
    "logps/ref_chosen": mean(pairs, ({ referenceChosen }) => referenceChosen!.sum),
    "logps/ref_rejected": mean(pairs, ({ referenceRejected }) => referenceRejected!.sum),
    "gap/mean": finite(gaps.mean),
    "gap/std": finite(gaps.std ?? 0),
    "kl/estimate": finite(kl.perResponse),
    "kl/per_token": finite(kl.perToken),
  }
}

/** What the method's own file says about a step. */
function methodMetrics(loss: BatchLoss, config: TrainConfig): Record<string, number | null> {
  if (!isPreferenceMethod(config.method)) return {}
  const metrics = preferenceDefinitionOf(config.method).metrics?.(loss, config) ?? {}
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, finite(value)]))
}

function mean<T>(values: readonly T[], of: (value: T) => number): number | null {
  return finite(values.reduce((sum, value) => sum + of(value), 0) / values.length)
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
