// Options that several commands have.
import { BASE_WEIGHTS, type BaseWeights } from "#shared/formats/base-weights.ts"
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
