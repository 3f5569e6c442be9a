// In which precision a reference's log-probs are computed, and how its fingerprint says so. References of two precisions are two
// references: their records stand under other keys, and are never taken for one another.
import { BASE_WEIGHTS, type BaseWeights } from "./base-weights.ts"
import type { ProductPrecision } from "./product-precision.ts"
import type { WeightKind } from "./quantisation.ts"

/** The words of a run's `baseWeights`, with products in f32; or `mixed`: weights as stored, with products as a GPU's matrix units make them. */
export const REFERENCE_PRECISIONS = [...BASE_WEIGHTS, "mixed"] as const
export type ReferencePrecision = (typeof REFERENCE_PRECISIONS)[number]

/** What a dataset's reference is computed in where nobody says otherwise, and what the edge computes. */
export const DEFAULT_REFERENCE_PRECISION: ReferencePrecision = "stored"

/** As the fingerprint says it. By the word alone: whether a word rounds nothing is known only where the tensors are. */
export const fingerprintPrecision = (precision: ReferencePrecision): WeightKind | "mixed" =>
  precision === "stored" ? "f32" : precision

/** How a model is held, and its products made, to compute a reference of this precision. */
export const computedWith = (
  precision: ReferencePrecision,
): { readonly baseWeights: BaseWeights; readonly precision: ProductPrecision } =>
  precision === "mixed" ? { baseWeights: "stored", precision: "mixed" } : { baseWeights: precision, precision: "f32" }
