// IPO (Azar et al., arXiv 2310.12036): the log-ratio is drawn to 1/(2τ) by a squared loss, which does not saturate.
import { defineMethod } from "./define-method.ts"
import { choiceOption } from "./option.ts"
import { betaOfItsOwn } from "./options.ts"
import { oppositeDirection } from "./pair-direction.ts"
import { byMean, bySum, type ResponseLogProb, referenceOf } from "./pair-log-probs.ts"

const ipoReduction = choiceOption("ipoReduction", {
  values: ["mean", "sum"],
  default: "mean",
  about: "whether means or sums of log-probs are compared",
})

/**
 * h = (x_w − x_w^ref) − (x_l − x_l^ref), L = (h − 1/(2τ))²; x are means as in TRL, whose maintainers confirmed it with the authors, or
 * sums as in OpenRLHF and eric-mitchell/direct-preference-optimization. Errors: ReferenceMissing.
 */
export const ipo = defineMethod({
  name: "ipo",
  title: "IPO",
  rows: "pairs",
  reduction: ({ ipoReduction }) => ipoReduction,
  beta: betaOfItsOwn("τ"),
  options: [ipoReduction],
  reference: "sums",
  loss: (pair, { beta: tau, ipoReduction: reduction }) => {
    const reference = referenceOf("ipo", pair)
    const divisor = ({ count }: ResponseLogProb) => (reduction === "mean" ? count : 1)
    const chosen = (pair.policyChosen.sum - reference.chosen.sum) / divisor(pair.policyChosen)
    const rejected = (pair.policyRejected.sum - reference.rejected.sum) / divisor(pair.policyRejected)
    const margin = 1 / (2 * tau)
    const distance = chosen - rejected - margin
    const gradient = (derivative: number, response: ResponseLogProb) =>
      reduction === "mean" ? byMean(derivative, response) : bySum(derivative)
    return {
      loss: distance ** 2,
      chosen: gradient(2 * distance, pair.policyChosen),
      rejected: gradient(-2 * distance, pair.policyRejected),
      rewardChosen: tau * chosen,
      rewardRejected: tau * rejected,
      margin,
    }
  },
  direction: (lengths, { ipoReduction }) => oppositeDirection(lengths, ipoReduction),
  docs: {
    formula: "L = (r_w − r_l − 1/(2τ))²",
    logProbs: "`ipoReduction`: means (TRL, LLaMA-Factory) or sums (OpenRLHF)",
    reward: "τr",
    reducesTo: "mean = sum for one-token responses",
    source: "2310.12036 eq. 17",
  },
  elsewhere: { rows: [["`loss_type: ipo`", "`ipo`", '`ipoReduction: "mean"`, as TRL']] },
})
