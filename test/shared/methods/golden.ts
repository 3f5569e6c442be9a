// The golden vector of the α-DPO specification: four pairs with mean log-probs as given, ten tokens a response.
import { type MethodOptions, methodDefaults } from "#shared/methods/methods.ts"
import type { PairLogProbs } from "#shared/methods/pair-log-probs.ts"

const TOKENS = 10
const policyChosen = [-0.8, -1.1, -0.95, -1.3]
const policyRejected = [-0.9, -1.0, -1.2, -1.25]
const referenceChosen = [-0.85, -1.05, -1.0, -1.32]
const referenceRejected = [-0.88, -1.02, -1.15, -1.28]

const ofMean = (mean: number) => ({ sum: mean * TOKENS, count: TOKENS })

export const goldenPairs: readonly PairLogProbs[] = policyChosen.map((mean, i) => ({
  policyChosen: ofMean(mean),
  policyRejected: ofMean(policyRejected[i]!),
  referenceChosen: ofMean(referenceChosen[i]!),
  referenceRejected: ofMean(referenceRejected[i]!),
}))

export const goldenOptions: MethodOptions = {
  ...methodDefaults("alpha-dpo"),
  beta: 2.5,
  gammaBetaRatio: 0.6,
  alpha: 0.2,
  labelSmoothing: 0,
  statistics: "adaptive",
}

/** Half a unit in the sixth decimal, the precision that the specification prints. */
export const PRINTED = 5.1e-7
