// How fast each pair of a head's channels turns with the position: plain or scaled, in f64.
import type { RopeOptions, RopeScaling } from "./decoder-config.ts"

export interface TurningHead extends Omit<RopeOptions, "scaling"> {
  readonly headSize: number
  readonly scaling?: RopeScaling | undefined
}

/**
 * theta^(-2i/D) for i < D/2, scaled as asked, in f64: radians per position. Source: transformers, modeling_rope_utils.py, which computes
 * them in f32. `dynamic` gives every sequence beyond the original maximum frequencies of its own; up to it they are the unscaled ones,
 * and only those are given here: whoever uses them refuses longer sequences.
 */
export function ropeFrequencies({ headSize, theta, scaling }: TurningHead): Float64Array {
  return Float64Array.from({ length: headSize / 2 }, (_, i) => scaled(theta ** ((-2 * i) / headSize), scaling))
}

function scaled(frequency: number, scaling: RopeScaling | undefined): number {
  if (!scaling || scaling.type === "dynamic") return frequency
  if (scaling.type === "linear") return frequency / scaling.factor
  const turns = (scaling.originalMaxPositions * frequency) / (2 * Math.PI)
  if (turns < scaling.lowFrequencyFactor) return frequency / scaling.factor
  if (turns > scaling.highFrequencyFactor) return frequency
  const smooth = (turns - scaling.lowFrequencyFactor) / (scaling.highFrequencyFactor - scaling.lowFrequencyFactor)
  return ((1 - smooth) * frequency) / scaling.factor + smooth * frequency
}
