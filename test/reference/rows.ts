// Reference: gathering rows (embedding) and adding them back.
import { type Array64, dimensions, zeros64 } from "./array64.ts"

/** output[r] = input[rows[r]]. */
export function gatherRows(input: Array64, rows: Uint32Array): Array64 {
  const [, columns] = dimensions(input)
  const output = zeros64(rows.length, columns)
  rows.forEach((row, r) => {
    output.data.set(input.data.subarray(row * columns, (row + 1) * columns), r * columns)
  })
  return output
}

/** The input's gradient: every row of dOutput added at the row it came from. */
export function gatherRowsBackward(input: Array64, rows: Uint32Array, dOutput: Array64): Array64 {
  const [inputRows, columns] = dimensions(input)
  const dInput = zeros64(inputRows, columns)
  rows.forEach((row, r) => {
    for (let c = 0; c < columns; c++) dInput.data[row * columns + c]! += dOutput.data[r * columns + c]!
  })
  return dInput
}
