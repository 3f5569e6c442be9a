// The rotary positions of a config.json, as transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`) write them.
// Source: transformers' modeling_rope_utils.py. Types that are not implemented (yarn, longrope, mrope) are refused by name.

import { type Fields, objectOrNone, positive, size } from "./config-fields.ts"
import { InvalidModel, type RopeOptions, type RopeScaling } from "./decoder-config.ts"

/** The one set of rope parameters of a model whose layers all turn alike. Both spellings may be there only if they agree. Throws InvalidModel. */
export function ropeOptions(fields: Fields, defaultTheta: number, maxPositions: number): RopeOptions {
  const nested = objectOrNone(fields, "rope_parameters")
  const plain = objectOrNone(fields, "rope_scaling")
  if (nested && plain && JSON.stringify(nested) !== JSON.stringify(plain)) {
    throw new InvalidModel("config.json has both rope_parameters and rope_scaling, and they differ; keep one")
  }
  const parameters = nested ?? plain ?? {}
  const theta = positive(fields, "rope_theta", defaultTheta)
  if (typeof fields.rope_theta === "number" && theta !== positive(parameters, "rope_theta", theta)) {
    throw new InvalidModel(
      `config.json: rope_theta is ${theta} and ${parameters.rope_theta} in rope_parameters; keep one`,
    )
  }
  return ropeFrom(parameters, theta, maxPositions)
}

/** What a scaling that was taken out may leave behind: rope type default reads none of it. */
const LEFT_OVER = [
  ...["factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor", "attention_factor"],
  ...["beta_fast", "beta_slow", "short_factor", "long_factor"],
]

const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  default: LEFT_OVER,
  linear: ["factor"],
  dynamic: ["factor", "original_max_position_embeddings"],
  llama3: ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
}

/** One set of rope parameters: `rope_type` (or `type`, its older name) and what belongs to it. Throws InvalidModel. */
export function ropeFrom(parameters: Fields, defaultTheta: number, maxPositions: number): RopeOptions {
  const type = parameters.rope_type ?? parameters.type ?? "default"
  const known = typeof type === "string" && Object.hasOwn(KNOWN_KEYS, type) ? KNOWN_KEYS[type]! : undefined
  if (!known || (parameters.type ?? type) !== type) {
    const found = JSON.stringify(known ? parameters.type : type)
    throw new InvalidModel(
      `config.json: rope type ${found} is not supported; use a model with one of ${Object.keys(KNOWN_KEYS).join(", ")}`,
    )
  }
  for (const [name, value] of Object.entries(parameters)) {
    const isNeutral = value === null || (name === "partial_rotary_factor" && value === 1)
    if (isNeutral || ["rope_type", "type", "rope_theta", ...known].includes(name)) continue
    throw new InvalidModel(
      `config.json: ${name} ${JSON.stringify(value)} is not supported with rope type "${type}"; use a model without it`,
    )
  }
  const theta = positive(parameters, "rope_theta", defaultTheta)
  return { theta, scaling: scalingOf(type as string, parameters, maxPositions) }
}

function scalingOf(type: string, parameters: Fields, maxPositions: number): RopeScaling | undefined {
  if (type === "default") return undefined
  const factor = positive(parameters, "factor")
  if (type === "linear") return { type, factor }
  if (type === "dynamic") {
    const originalMaxPositions = size(parameters, "original_max_position_embeddings", maxPositions)
    if (originalMaxPositions !== maxPositions) {
      throw new InvalidModel(
        `config.json: original_max_position_embeddings ${originalMaxPositions} with rope type "dynamic" is not supported; ` +
          `transformers takes max_position_embeddings ${maxPositions} for it: write that`,
      )
    }
    return { type, factor, originalMaxPositions }
  }
  const scaling = {
    type: "llama3",
    factor,
    lowFrequencyFactor: positive(parameters, "low_freq_factor"),
    highFrequencyFactor: positive(parameters, "high_freq_factor"),
    originalMaxPositions: positive(parameters, "original_max_position_embeddings"),
  } as const
  if (scaling.highFrequencyFactor > scaling.lowFrequencyFactor) return scaling
  throw new InvalidModel("config.json: high_freq_factor must be greater than low_freq_factor; correct them")
}
