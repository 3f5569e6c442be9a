// A judge that is asked nothing: a tuned model's own reward of an answer. It is how much likelier the tuned model makes the answer than the model it was
// tuned from (DPO, arXiv 2305.18290 eq. 5), as RewardBench scores such models. Log-probs in, a preference out; whoever holds the models gives them.
import { sigmoid } from "#shared/methods/log-sigmoid.ts"
import { meanLogProb, type Reduction, type ResponseLogProb } from "#shared/methods/pair-log-probs.ts"

/** One answer under the judge. */
export interface JudgedResponse {
  /** Under the tuned model. */
  readonly policy: ResponseLogProb
  /** Under the model it was tuned from; left away, the policy's own log-prob is the reward (SimPO's, with `mean`). */
  readonly reference?: ResponseLogProb | undefined
}

export interface RewardRule {
  readonly beta: number
  /** Of the sums, as DPO is trained, or of the means by token, where a longer answer weighs no more. */
  readonly reduction: Reduction
}

/** RewardBench's for models tuned with DPO. */
export const DEFAULT_REWARD: RewardRule = { beta: 0.1, reduction: "sum" }

/** β·(log π − log π_ref) of the whole answer, or by token; nats times β. */
export function implicitReward({ policy, reference }: JudgedResponse, { beta, reduction }: RewardRule): number {
  const logProb = reduction === "sum" ? ({ sum }: ResponseLogProb) => sum : meanLogProb
  return beta * (logProb(policy) - (reference === undefined ? 0 : logProb(reference)))
}

/**
 * How far the judge prefers the candidate's answer, from 0 (the baseline's) to 1: σ of the difference of the rewards, the Bradley-Terry model that the
 * reward was trained under. The same answer twice is exactly ½; exchanged, it is what is left of 1. RangeError where a log-prob is no finite number: a
 * model that computes none has no opinion.
 */
export function implicitPreference(
  candidate: JudgedResponse,
  baseline: JudgedResponse,
  rule: RewardRule = DEFAULT_REWARD,
): number {
  const difference = implicitReward(candidate, rule) - implicitReward(baseline, rule)
  if (Number.isFinite(difference)) return sigmoid(difference)
  throw new RangeError("an answer's log-prob is no finite number; look at the judge's weights")
}
