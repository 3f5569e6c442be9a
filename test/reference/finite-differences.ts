// Checks a reference's gradients against central differences of its own forward pass, in f64.
import type { Array64 } from "./array64.ts"

const STEP = 1e-5
const CHECKED_ELEMENTS = 5

export type Inputs64 = Readonly<Record<string, Array64>>

/**
 * The largest difference between `gradients` and the central differences of Σ dOutput · forward, relative to each gradient's
 * largest absolute value, over a spread of elements of every input that has a gradient.
 */
export function finiteDifferenceError(
  inputs: Inputs64,
  forward: (inputs: Inputs64) => Array64,
  dOutput: Array64,
  gradients: Inputs64,
): number {
  const objective = (changed: Inputs64) => forward(changed).data.reduce((sum, y, i) => sum + y * dOutput.data[i]!, 0)
  let worst = 0
  for (const [name, gradient] of Object.entries(gradients)) {
    const input = inputs[name]!
    const largest = gradient.data.reduce((most, g) => Math.max(most, Math.abs(g)), 1e-9)
    const stride = Math.max(1, Math.floor(input.data.length / CHECKED_ELEMENTS))
    for (let i = 0; i < input.data.length; i += stride) {
      const shifted = (by: number) => {
        const data = input.data.slice()
        data[i]! += by
        return objective({ ...inputs, [name]: { shape: input.shape, data } })
      }
      const slope = (shifted(STEP) - shifted(-STEP)) / (2 * STEP)
      worst = Math.max(worst, Math.abs(slope - gradient.data[i]!) / largest)
    }
  }
  return worst
}
