// Reference: rotary embedding in half-rotation layout, straight from the angle.
import type { RopeScaling } from "#shared/formats/families/decoder-config.ts"
import { type Array64, dimensions, zeros64 } from "./array64.ts"

export interface RopeOptions {
  readonly positions: Uint32Array
  readonly headSize: number
  readonly theta: number
  readonly scaling?: RopeScaling | undefined
}

/** Each pair (x[i], x[i + D/2]) of a head turned by position · frequency(i); `direction` -1 turns back. */
export function rope(input: Array64, options: RopeOptions, direction = 1): Array64 {
  const { positions, headSize } = options
  const [tokens, columns] = dimensions(input)
  const output = zeros64(tokens, columns)
  const half = headSize / 2
  for (let t = 0; t < tokens; t++) {
    for (let start = t * columns; start < (t + 1) * columns; start += headSize) {
      for (let i = 0; i < half; i++) {
        const angle = direction * positions[t]! * ropeFrequency(i, options)
        const first = input.data[start + i]!
        const second = input.data[start + half + i]!
        output.data[start + i] = first * Math.cos(angle) - second * Math.sin(angle)
        output.data[start + half + i] = second * Math.cos(angle) + first * Math.sin(angle)
      }
    }
  }
  return output
}

/**
 * Radians per position of the i-th pair. `llama3` by wavelengths, as Llama 3.1's own code has it (apply_scaling in llama_models):
 * short waves stay, long ones are stretched by the factor, those between are blended.
 */
export function ropeFrequency(
  i: number,
  { headSize, theta, scaling }: Pick<RopeOptions, "headSize" | "theta" | "scaling">,
): number {
  const frequency = theta ** ((-2 * i) / headSize)
  if (scaling?.type === "linear") return frequency / scaling.factor
  if (scaling?.type !== "llama3") return frequency
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling
  const wavelength = (2 * Math.PI) / frequency
  if (wavelength < originalMaxPositions / high) return frequency
  if (wavelength > originalMaxPositions / low) return frequency / factor
  const smooth = (originalMaxPositions / wavelength - low) / (high - low)
  return (1 - smooth) * (frequency / factor) + smooth * frequency
}
