// The logistic preference loss with label smoothing, shared by α-DPO, SimPO and DPO, which differ only in what u is.
import { logSigmoid, sigmoid } from "./log-sigmoid.ts"

/**
 * L = −(1−ε) log σ(u) − ε log σ(−u), and dL/du = −[(1−ε) σ(−u) − ε σ(u)].
 * Source: Mitchell's cDPO note; scripts/dpo_trainer.py of junkangwu/alpha-DPO.
 */
export function logisticLoss(u: number, labelSmoothing: number): { readonly loss: number; readonly dLogit: number } {
  const keep = 1 - labelSmoothing
  return {
    loss: -keep * logSigmoid(u) - labelSmoothing * logSigmoid(-u),
    dLogit: -(keep * sigmoid(-u) - labelSmoothing * sigmoid(u)),
  }
}
