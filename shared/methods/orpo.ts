// ORPO (Hong et al., arXiv 2403.07691): supervised fine-tuning with a penalty on the odds of the rejected response; no reference.
import { defineMethod } from "./define-method.ts"
import { logSigmoid, sigmoid } from "./log-sigmoid.ts"
import { betaOfItsOwn } from "./options.ts"
import { byMean, meanLogProb, type ResponseLogProb } from "./pair-log-probs.ts"

/** 1 − p is taken to be at least this: a response of probability 1 has no finite odds. */
const SMALLEST_COMPLEMENT = 1e-12

/**
 * L = −λ log σ(log odds(y_w) − log odds(y_l)), odds = p/(1−p), p = exp(ℓ) of the mean log-prob. The NLL of the chosen response, of weight 1
 * by default, is the step's SFT term (`sftWeight`): ORPO is that term as much as its comparison. Derived as in trl/experimental/orpo, whose
 * NLL counts the prompt's tokens too; here, as in the paper, only the response's. 1 − p has a floor of 1e-12, beyond which it is a constant.
 */
export const orpo = defineMethod({
  name: "orpo",
  title: "ORPO",
  rows: "pairs",
  reduction: "mean",
  beta: betaOfItsOwn("λ"),
  options: [],
  defaults: { sftWeight: 1 },
  reference: "none",
  loss: (pair, { beta: lambda }) => {
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
  },
  docs: {
    formula: "L = −λ log σ(log odds_w − log odds_l), odds = p/(1−p), p = e^ℓ",
    reward: "λℓθ",
    reducesTo: "",
    source: "2403.07691 eq. 4, 7; TRL, whose NLL counts the prompt too",
  },
  elsewhere: { rows: [["`ORPOTrainer`, `beta`", "`orpo`, `beta`", "TRL's NLL counts the prompt too"]] },
})

/** ℓ − log(1 − e^ℓ) and its derivative 1/(1 − e^ℓ); log(1 − e^ℓ) by log1p or expm1, whichever cancels no digits. */
function logOdds(response: ResponseLogProb): { readonly value: number; readonly slope: number } {
  const mean = meanLogProb(response)
  const complement = -Math.expm1(mean)
  if (complement < SMALLEST_COMPLEMENT) return { value: mean - Math.log(SMALLEST_COMPLEMENT), slope: 1 }
  const logComplement = mean < -Math.LN2 ? Math.log1p(-Math.exp(mean)) : Math.log(complement)
  return { value: mean - logComplement, slope: 1 / complement }
}
