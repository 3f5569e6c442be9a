// AlphaPO (Gupta et al., arXiv 2501.03884): SimPO with a reward whose shape bends away from the logarithm. Not α-DPO.
import { defineMethod } from "./define-method.ts"
import { logisticLoss } from "./logistic-loss.ts"
import { numberOption } from "./option.ts"
import { betaOf, gammaBetaRatio, labelSmoothing } from "./options.ts"
import { byMean, meanLogProb, type ResponseLogProb } from "./pair-log-probs.ts"
import { simpoLoss } from "./simpo.ts"

/** Negative values bend the other way. */
const alphaPoAlpha = numberOption("alphaPoAlpha", {
  from: -10,
  to: 10,
  default: 0.25,
  about: "a, the bend of the reward; 0 is simpo",
})

/**
 * r(y) = (1 − p^−a)/a with p = exp(ℓ) of the mean log-prob, u = β(r_w − r_l − γ/β), L = −log σ(u) with label smoothing.
 * γ/β is .04 by default, which is γ = .1 of the paper's Mistral recipe as TRL reads it (trl/experimental/cpo, `alpha`).
 * Numerics: r = −expm1(−aℓ)/a, exact for small a; an |a| below f64's epsilon, which bends nothing, counts as 0, which is SimPO.
 */
export const alphaPo = defineMethod({
  name: "alphapo",
  title: "AlphaPO",
  rows: "pairs",
  reduction: "mean",
  beta: betaOf.mean,
  options: [gammaBetaRatio, labelSmoothing, alphaPoAlpha],
  defaults: { gammaBetaRatio: 0.04 },
  reference: "none",
  loss: (pair, options) => {
    const { alphaPoAlpha: a, beta, gammaBetaRatio: margin, labelSmoothing } = options
    if (Math.abs(a) < Number.EPSILON) return simpoLoss(pair, options)
    const reward = (response: ResponseLogProb) => -Math.expm1(-a * meanLogProb(response)) / a
    const slope = (response: ResponseLogProb) => Math.exp(-a * meanLogProb(response))
    const chosen = reward(pair.policyChosen)
    const rejected = reward(pair.policyRejected)
    const { loss, dLogit } = logisticLoss(beta * (chosen - rejected - margin), labelSmoothing)
    return {
      loss,
      chosen: byMean(beta * dLogit * slope(pair.policyChosen), pair.policyChosen),
      rejected: byMean(-beta * dLogit * slope(pair.policyRejected), pair.policyRejected),
      rewardChosen: beta * chosen,
      rewardRejected: beta * rejected,
      margin,
    }
  },
  docs: {
    formula: "β(ρ_w − ρ_l − γ/β), ρ = (1 − e^(−aℓ))/a, a = `alphaPoAlpha`",
    reward: "βρ",
    reducesTo: "`simpo` at a = 0",
    source: "2501.03884, TRL",
  },
  elsewhere: {
    rows: [
      [
        "CPO `loss_type: alphapo`, `alpha`, `simpo_gamma`",
        "`alphapo`, `alphaPoAlpha`, `gammaBetaRatio` = simpo_gamma / beta",
        "`alpha` here is α-DPO's",
      ],
    ],
  },
})
