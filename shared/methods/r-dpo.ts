// R-DPO (Park et al., arXiv 2403.19159): DPO whose reward pays for every token of a response, against drift to long answers.
import { defineMethod } from "./define-method.ts"
import { logisticLoss } from "./logistic-loss.ts"
import { numberOption } from "./option.ts"
import { betaOf, labelSmoothing } from "./options.ts"
import { oppositeDirection } from "./pair-direction.ts"
import { bySum, logRatiosOf } from "./pair-log-probs.ts"

/** In units of reward. */
const lengthPenalty = numberOption("lengthPenalty", {
  from: 0,
  to: 100,
  default: 0.05,
  about: "α, what a token of a response costs; 0 is dpo",
})

/**
 * u = β[(s_w − s_w^ref) − (s_l − s_l^ref)] + α(|y_w| − |y_l|) by sums, L = −log σ(u) with label smoothing.
 * Source: the objective E[r(y) − α|y|] − β KL has π ∝ πref exp((r − α|y|)/β), so r = β log(π/πref) + α|y|: the paper's derivation, whose
 * sign and scale are followed. junkangwu/alpha-DPO subtracts β·γ/β·(|y_w| − |y_l|) instead, with the batch's size in place of lengths.
 * α = 0, or responses of one length, is DPO. Errors: ReferenceMissing.
 */
export const rDpo = defineMethod({
  name: "r-dpo",
  title: "R-DPO",
  rows: "pairs",
  reduction: "sum",
  beta: betaOf.sum,
  options: [labelSmoothing, lengthPenalty],
  reference: "sums",
  loss: (pair, { beta, labelSmoothing, lengthPenalty }) => {
    const ratios = logRatiosOf("r-dpo", pair)
    const plainChosen = beta * ratios.chosen
    const plainRejected = beta * ratios.rejected
    const lengths = lengthPenalty * (pair.policyChosen.count - pair.policyRejected.count)
    const { loss, dLogit } = logisticLoss(plainChosen - plainRejected + lengths, labelSmoothing)
    const dChosen = beta * dLogit
    return {
      loss,
      chosen: bySum(dChosen),
      rejected: bySum(-dChosen),
      rewardChosen: plainChosen + lengthPenalty * pair.policyChosen.count,
      rewardRejected: plainRejected + lengthPenalty * pair.policyRejected.count,
      margin: 0 - lengths / beta,
    }
  },
  direction: (lengths) => oppositeDirection(lengths, "sum"),
  docs: {
    formula: "β(r_w − r_l) + α(len_w − len_l), α = `lengthPenalty`",
    reward: "βr + α len",
    reducesTo: "`dpo` at α = 0",
    source: "2403.19159, its derivation; alpha-DPO's code has the other sign",
  },
  elsewhere: {
    losses: { rdpo: '"r-dpo" is the length-penalised DPO; the robust one is "dpo" with dpoLoss "robust"' },
  },
})
