// CPO (Xu et al., arXiv 2401.08417): DPO without a reference, held in place by an SFT term on the chosen response.
import { defineMethod } from "./define-method.ts"
import { logisticLoss } from "./logistic-loss.ts"
import { betaOf, labelSmoothing } from "./options.ts"
import { oppositeDirection } from "./pair-direction.ts"
import { bySum } from "./pair-log-probs.ts"

/**
 * u = β(s_w − s_l) by sums, L = −log σ(u) with label smoothing. The SFT term, of weight 1 by default, is the step's (`sftWeight`; in
 * trl/experimental/cpo its weight is `cpo_alpha`): CPO is that term as much as its comparison.
 */
export const cpo = defineMethod({
  name: "cpo",
  title: "CPO",
  rows: "pairs",
  reduction: "sum",
  beta: betaOf.sum,
  options: [labelSmoothing],
  defaults: { sftWeight: 1 },
  reference: "none",
  loss: (pair, { beta, labelSmoothing }) => {
    const rewardChosen = beta * pair.policyChosen.sum
    const rewardRejected = beta * pair.policyRejected.sum
    const { loss, dLogit } = logisticLoss(rewardChosen - rewardRejected, labelSmoothing)
    const dChosen = beta * dLogit
    return { loss, chosen: bySum(dChosen), rejected: bySum(-dChosen), rewardChosen, rewardRejected, margin: 0 }
  },
  direction: (lengths) => oppositeDirection(lengths, "sum"),
  docs: {
    formula: "β(s_w − s_l)",
    reward: "βsθ",
    reducesTo: "`dpo` against a uniform reference + NLL",
    source: "2401.08417 eq. 3, TRL",
  },
  elsewhere: {
    rows: [["`CPOTrainer`, `loss_type: sigmoid`, `cpo_alpha`", "`cpo`, `sftWeight`", "1 → 1"]],
  },
})
