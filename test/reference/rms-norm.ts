// Reference: RMSNorm and its gradients (Zhang & Sennrich, arXiv 1910.07467).
import { type Array64, dimensions, zeros64 } from "./array64.ts"

function inverseRmsOf(row: Float64Array, epsilon: number): number {
  const meanSquare = row.reduce((sum, x) => sum + x * x, 0) / row.length
  return 1 / Math.sqrt(meanSquare + epsilon)
}

/** x / sqrt(mean(x²) + epsilon) · (weightOffset + weight), row by row. */
export function rmsNorm(input: Array64, weight: Array64, epsilon: number, weightOffset = 0): Array64 {
  const [rows, columns] = dimensions(input)
  const output = zeros64(rows, columns)
  for (let r = 0; r < rows; r++) {
    const row = input.data.subarray(r * columns, (r + 1) * columns)
    const inverseRms = inverseRmsOf(row, epsilon)
    row.forEach((x, c) => {
      output.data[r * columns + c] = x * inverseRms * (weightOffset + weight.data[c]!)
    })
  }
  return output
}

/** Gradients of input and weight. */
export function rmsNormBackward(input: Array64, weight: Array64, epsilon: number, dOutput: Array64, weightOffset = 0) {
  const [rows, columns] = dimensions(input)
  const dInput = zeros64(rows, columns)
  const dWeight = zeros64(columns)
  for (let r = 0; r < rows; r++) {
    const row = input.data.subarray(r * columns, (r + 1) * columns)
    const upstream = dOutput.data.subarray(r * columns, (r + 1) * columns)
    const inverseRms = inverseRmsOf(row, epsilon)
    let product = 0
    row.forEach((x, c) => {
      product += x * upstream[c]! * (weightOffset + weight.data[c]!)
      dWeight.data[c]! += upstream[c]! * x * inverseRms
    })
    row.forEach((x, c) => {
      dInput.data[r * columns + c] =
        inverseRms * upstream[c]! * (weightOffset + weight.data[c]!) - (x * inverseRms ** 3 * product) / columns
    })
  }
  return { input: dInput, weight: dWeight }
}
