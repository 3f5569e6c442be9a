// Reference: a bias added to every row, and its gradients.
import { type Array64, dimensions, zeros64 } from "./array64.ts"

/** input [T, N] + bias [N]. */
export function addRowBias(input: Array64, bias: Array64): Array64 {
  const [, columns] = dimensions(input)
  return { shape: input.shape, data: input.data.map((x, i) => x + bias.data[i % columns]!) }
}

/** Gradients of input and bias. */
export function addRowBiasBackward(dOutput: Array64) {
  const [, columns] = dimensions(dOutput)
  const dBias = zeros64(columns)
  dOutput.data.forEach((value, i) => {
    dBias.data[i % columns]! += value
  })
  return { input: dOutput, bias: dBias }
}
