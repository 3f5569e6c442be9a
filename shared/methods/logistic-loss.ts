// The losses of a logit u that the pairwise methods share: logistic with label smoothing, its unbiased form, and the hinge.
import { logSigmoid, sigmoid } from "./log-sigmoid.ts"

/** A loss and its derivative by u. */
export interface LogitLoss {
  readonly loss: number
  readonly dLogit: number
}

/**
 * L = −(1−ε) log σ(u) − ε log σ(−u), and dL/du = −[(1−ε) σ(−u) − ε σ(u)].
 * Source: Mitchell's cDPO note; scripts/dpo_trainer.py of junkangwu/alpha-DPO. ε = 0 is −log σ(u).
 */
export function logisticLoss(u: number, labelSmoothing: number): LogitLoss {
  const keep = 1 - labelSmoothing
  return {
    loss: -keep * logSigmoid(u) - labelSmoothing * logSigmoid(-u),
    dLogit: -(keep * sigmoid(-u) - labelSmoothing * sigmoid(u)),
  }
}

/**
 * L = [−(1−ε) log σ(u) + ε log σ(−u)] / (1−2ε): unbiased when a share ε < .5 of the labels is flipped; it may be negative.
 * Source: Chowdhury et al., arXiv 2403.00409; "robust" in trl/trainer/dpo_trainer.py. ε = 0 is −log σ(u).
 */
export function robustLoss(u: number, labelSmoothing: number): LogitLoss {
  const keep = 1 - labelSmoothing
  const scale = 1 - 2 * labelSmoothing
  return {
    loss: (-keep * logSigmoid(u) + labelSmoothing * logSigmoid(-u)) / scale,
    dLogit: -(keep * sigmoid(-u) + labelSmoothing * sigmoid(u)) / scale,
  }
}

/** L = max(0, 1 − u), with derivative 0 at the kink as in PyTorch. Source: SLiC, arXiv 2305.10425; "hinge" in TRL. */
export function hingeLoss(u: number): LogitLoss {
  return u < 1 ? { loss: 1 - u, dLogit: -1 } : { loss: u >= 1 ? 0 : Number.NaN, dLogit: 0 }
}
