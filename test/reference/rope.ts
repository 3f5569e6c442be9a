// Reference: rotary embedding in half-rotation layout, straight from the angle.
import { type Array64, dimensions, zeros64 } from "./array64.ts"

export interface RopeOptions {
  readonly positions: Uint32Array
  readonly headSize: number
  readonly theta: number
}

/** Each pair (x[i], x[i + D/2]) of a head turned by position · theta^(-2i/D); `direction` -1 turns back. */
export function rope(input: Array64, { positions, headSize, theta }: RopeOptions, direction = 1): Array64 {
  const [tokens, columns] = dimensions(input)
  const output = zeros64(tokens, columns)
  const half = headSize / 2
  for (let t = 0; t < tokens; t++) {
    for (let start = t * columns; start < (t + 1) * columns; start += headSize) {
      for (let i = 0; i < half; i++) {
        const angle = direction * positions[t]! * theta ** ((-2 * i) / headSize)
        const first = input.data[start + i]!
        const second = input.data[start + half + i]!
        output.data[start + i] = first * Math.cos(angle) - second * Math.sin(angle)
        output.data[start + half + i] = second * Math.cos(angle) + first * Math.sin(angle)
      }
    }
  }
  return output
}
