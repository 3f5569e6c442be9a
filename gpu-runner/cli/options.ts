// Options that several commands have, and what all are made of.
import { BASE_WEIGHTS, type BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { PRODUCT_PRECISIONS, type ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import { UsageError } from "./command.ts"

/** An option with a value, for which the placeholder stands in --help. */
export const text = (placeholder: string, description: string) =>
  ({ type: "string", placeholder, description }) as const

export const requiredText = (placeholder: string, description: string) =>
  ({ ...text(placeholder, description), required: true }) as const

/** An option that may be given several times. */
export const texts = (placeholder: string, description: string) =>
  ({ ...text(placeholder, description), multiple: true }) as const

export const flag = (description: string) => ({ type: "boolean", description }) as const

export const modelOption = requiredText("DIR", "a Hugging Face model folder, or the owner/name of a pulled one")

export const outFolderOption = requiredText("DIR", "where to write")

export const baseWeightsOption = text(
  "KIND",
  `how the base is held: ${BASE_WEIGHTS.join(", ")}; by default stored, the checkpoint's own dtype`,
)

/** A port as it is written: a decimal number and nothing else. */
export function portOf(written: string): number {
  const port = Number(written)
  if (/^[1-9]\d{0,4}$/.test(written) && port <= 65_535) return port
  throw new UsageError(`--port ${JSON.stringify(written)}: give a whole number from 1 to 65535`)
}

/** A whole number from 1 to `most` as it is written. */
export function positiveIntegerOf(option: string, written: string, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(written)
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value
  const range = most === Number.MAX_SAFE_INTEGER ? "from 1" : `from 1 to ${most}`
  throw new UsageError(`--${option} ${written}: give a whole number ${range}`)
}

/** A number as it is written, whatever its range; undefined where nothing is said. */
export function numberOf(option: string, written: string | undefined): number | undefined {
  if (written === undefined) return undefined
  const value = Number(written)
  if (written.trim() !== "" && Number.isFinite(value)) return value
  throw new UsageError(`--${option} ${written}: give a number`)
}

/** A value that must be one of these, checked; undefined where nothing is said. `use` names them. */
export function choiceOf<Choice extends string>(
  option: string,
  written: string | undefined,
  choices: readonly Choice[],
  use: string,
): Choice | undefined {
  const known = choices.find((choice) => choice === written)
  if (written === undefined || known !== undefined) return known
  throw new UsageError(`--${option} ${written} is unknown; use ${use}`)
}

/** How the base is to be held, checked; undefined where nothing is said. */
export function baseWeightsOf(written: string | undefined): BaseWeights | undefined {
  return choiceOf("base-weights", written, BASE_WEIGHTS, `one of ${BASE_WEIGHTS.join(", ")}`)
}

export const precisionOption = text(
  "KIND",
  "operands of products: mixed (default, f16 where the GPU has matrix units) or f32",
)

/** The precision of products, checked; undefined where nothing is said. */
export function precisionOf(written: string | undefined): ProductPrecision | undefined {
  return choiceOf("precision", written, PRODUCT_PRECISIONS, PRODUCT_PRECISIONS.join(" or "))
}
