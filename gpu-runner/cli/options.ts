// Options that several commands have.
import { BASE_WEIGHTS, type BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { PRODUCT_PRECISIONS, type ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import { UsageError } from "./command.ts"

export const modelOption = {
  type: "string",
  placeholder: "DIR",
  description: "a Hugging Face model folder, or the owner/name of a pulled one",
  required: true,
} as const

export const baseWeightsOption = {
  type: "string",
  placeholder: "KIND",
  description: `how the base is held: ${BASE_WEIGHTS.join(", ")}; by default stored, the checkpoint's own dtype`,
} as const

/** How the base is to be held, checked; undefined where nothing is said. */
export function baseWeightsOf(written: string | undefined): BaseWeights | undefined {
  const known = BASE_WEIGHTS.find((kind) => kind === written)
  if (written === undefined || known) return known
  throw new UsageError(`--base-weights ${written} is unknown; use one of ${BASE_WEIGHTS.join(", ")}`)
}

export const precisionOption = {
  type: "string",
  placeholder: "KIND",
  description: "operands of products: mixed (default, f16 where the GPU has matrix units) or f32",
} as const

/** The precision of products, checked; undefined where nothing is said. */
export function precisionOf(written: string | undefined): ProductPrecision | undefined {
  const known = PRODUCT_PRECISIONS.find((kind) => kind === written)
  if (written === undefined || known) return known
  throw new UsageError(`--precision ${written} is unknown; use ${PRODUCT_PRECISIONS.join(" or ")}`)
}
