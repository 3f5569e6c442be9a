// How far log-probs may be apart because policy and reference are held or computed in two precisions: what the self-test before the first
// step lets through besides its tolerance. Measured, on models that are smaller and so more sensitive than those that people train.
import type { BaseWeights } from "./base-weights.ts"
import type { ReferencePrecision } from "./reference-precision.ts"

/**
 * Of each precision against the same model in f32, nats per token: about twice the largest difference of a response's mean, or of a pair's
 * gap, that `node test/bench/precision.ts --pairs 400` finds on the demo's model (docs/options.md has its table). Two precisions may be
 * apart by the sum of theirs. It is rounding alone that is judged so: that the weights are the same says the reference's fingerprint.
 */
export const PRECISION_BOUNDS: Readonly<Record<Exclude<ReferencePrecision, "stored">, number>> = {
  f32: 0,
  bf16: 1.6e-3,
  f16: 5e-4,
  int8: 4e-3,
  nf4: 0.17,
  // Products that a GPU's matrix units round are within the tolerance itself.
  mixed: 0,
}

/** How a policy's base is held, against the reference that came with its data. */
export interface PrecisionPair {
  readonly reference: ReferencePrecision
  readonly policy: BaseWeights
  /** Nats per token that they may differ by on that account. */
  readonly bound: number
}

const boundOf = (precision: ReferencePrecision): number => (precision === "stored" ? 0 : PRECISION_BOUNDS[precision])

/** The two precisions, and what they may differ by. */
export const precisionPair = (reference: ReferencePrecision, policy: BaseWeights): PrecisionPair => ({
  ...{ reference, policy },
  bound: reference === policy ? 0 : boundOf(reference) + boundOf(policy),
})
