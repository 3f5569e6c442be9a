// DPO (Rafailov et al., arXiv 2305.18290): summed log-probs against a reference; logistic (with label smoothing, cDPO), robust or hinge.
import { defineMethod } from "./define-method.ts"
import { hingeLoss, type LogitLoss, logisticLoss, robustLoss } from "./logistic-loss.ts"
import { choiceOption } from "./option.ts"
import { betaOf, labelSmoothing } from "./options.ts"
import { oppositeDirection } from "./pair-direction.ts"
import { bySum, logRatiosOf } from "./pair-log-probs.ts"

const dpoLoss = choiceOption("dpoLoss", {
  values: ["sigmoid", "robust", "hinge"],
  default: "sigmoid",
  about: "the loss of the logit",
})

/**
 * u = β[(s_w − s_w^ref) − (s_l − s_l^ref)] by sums; L = −log σ(u), or with ε cDPO, robust DPO, or the hinge max(0, 1 − u).
 * Loss variants as in trl/trainer/dpo_trainer.py. ε = 0 makes cDPO and robust DPO the plain loss; policy = reference gives ln 2
 * (hinge: 1). Errors: ReferenceMissing.
 */
export const dpo = defineMethod({
  name: "dpo",
  title: "DPO",
  rows: "pairs",
  reduction: "sum",
  beta: betaOf.sum,
  options: [labelSmoothing, dpoLoss],
  conditions: {
    labelSmoothing: [{ holds: ({ dpoLoss }) => dpoLoss !== "hinge", needs: 'dpoLoss "sigmoid" or "robust"' }],
  },
  reference: "sums",
  loss: (pair, { beta, labelSmoothing, dpoLoss: kind }) => {
    const ratios = logRatiosOf("dpo", pair)
    const rewardChosen = beta * ratios.chosen
    const rewardRejected = beta * ratios.rejected
    const { loss, dLogit } = lossOf(kind, rewardChosen - rewardRejected, labelSmoothing)
    const dChosen = beta * dLogit
    return { loss, chosen: bySum(dChosen), rejected: bySum(-dChosen), rewardChosen, rewardRejected, margin: 0 }
  },
  direction: (lengths) => oppositeDirection(lengths, "sum"),
  docs: {
    formula: "β(r_w − r_l); `dpoLoss` robust: ÷ (1−2ε); hinge: max(0, 1−u)",
    reward: "βr",
    reducesTo: "−log σ(u) at ε = 0; ln 2 where policy = reference",
    source: "2305.18290 eq. 7; cDPO note; 2403.00409; TRL",
  },
  elsewhere: {
    rows: [
      ["`DPOTrainer`, `loss_type: sigmoid`, `label_smoothing` (cDPO)", '`method: "dpo"`, `labelSmoothing`', "0 → 0"],
      ["`loss_type: robust`, `hinge`", '`dpo` with `dpoLoss: "robust"`, `"hinge"`', ""],
      ['`loss_type: ["sigmoid", "sft"]`, `loss_weights: [1, w]`; formerly `rpo_alpha`', "`dpo`, `sftWeight: w`", ""],
      [
        "`use_weighting`",
        "`useWeighting`",
        "WPO's weights with every pairwise method; its authors' are `weightingForm`",
      ],
    ],
    keys: { f_divergence_type: "the divergence of dpo is the reverse KL; leave it out" },
    losses: {
      sigmoid: '"dpo" is that loss',
      hinge: '"dpo" with dpoLoss "hinge" is that loss',
      robust: '"dpo" with dpoLoss "robust" is that loss',
      rpo: '"dpo" with sftWeight is that loss',
      wpo: '"dpo" with useWeighting is that loss',
      cdpo: '"dpo" with labelSmoothing is that loss',
    },
  },
})

function lossOf(kind: "sigmoid" | "robust" | "hinge", u: number, labelSmoothing: number): LogitLoss {
  if (kind === "hinge") return hingeLoss(u)
  return kind === "robust" ? robustLoss(u, labelSmoothing) : logisticLoss(u, labelSmoothing)
}
