// ORPO (Hong et al., arXiv 2403.07691): supervised fine-tuning with a penalty on the odds of the rejected response; no reference.
import { logSigmoid, sigmoid } from "./log-sigmoid.ts"
import { byMean, meanLogProb, type PairLogProbs, type PairLoss, type ResponseLogProb } from "./pair-log-probs.ts"

export interface OrpoOptions {
  /** λ, the weight of the odds-ratio term: .01 to 1, .1 by default. */
  readonly beta: number
}

/** 1 − p is taken to be at least this: a response of probability 1 has no finite odds. */
const SMALLEST_COMPLEMENT = 1e-12

/**
 * L = −λ log σ(log odds(y_w) − log odds(y_l)), odds = p/(1−p), p = exp(ℓ) of the mean log-prob; reward λ·ℓθ. The NLL of the chosen
 * response, of weight 1 by default, is the step's SFT term (`sftWeight`).
 * Source: equations 4 and 7 of the paper as trl/experimental/orpo derives them. TRL's NLL counts the prompt's tokens too; here, as in the paper, only
 * the response's. 1 − p has a floor of 1e-12, beyond which it is a constant.
 */
export function orpoLoss(pair: PairLogProbs, { beta: lambda }: OrpoOptions): PairLoss {
  const chosen = logOdds(pair.policyChosen)
  const rejected = logOdds(pair.policyRejected)
  const u = chosen.value - rejected.value
  const dLogit = -lambda * sigmoid(-u)
  return {
    loss: -lambda * logSigmoid(u),
    chosen: byMean(dLogit * chosen.slope, pair.policyChosen),
    rejected: byMean(-dLogit * rejected.slope, pair.policyRejected),
    rewardChosen: lambda * meanLogProb(pair.policyChosen),
    rewardRejected: lambda * meanLogProb(pair.policyRejected),
    margin: 0,
  }
}

/** ℓ − log(1 − e^ℓ) and its derivative 1/(1 − e^ℓ); log(1 − e^ℓ) by log1p or expm1, whichever cancels no digits. */
function logOdds(response: ResponseLogProb): { readonly value: number; readonly slope: number } {
  const mean = meanLogProb(response)
  const complement = -Math.expm1(mean)
  if (complement < SMALLEST_COMPLEMENT) return { value: mean - Math.log(SMALLEST_COMPLEMENT), slope: 1 }
  const logComplement = mean < -Math.LN2 ? Math.log1p(-Math.exp(mean)) : Math.log(complement)
  return { value: mean - logComplement, slope: 1 / complement }
}
