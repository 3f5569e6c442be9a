// Reference: out = op(a) op(b) by the definition, and its gradients.
import { type Array64, dimensions, zeros64 } from "./array64.ts"

export interface MatmulLayout {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

export function transposed(array: Array64): Array64 {
  const [rows, columns] = dimensions(array)
  const result = zeros64(columns, rows)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result.data[j * rows + i] = array.data[i * columns + j]!
  }
  return result
}

function product(a: Array64, b: Array64): Array64 {
  const [rows, depth] = dimensions(a)
  const [, columns] = dimensions(b)
  const out = zeros64(rows, columns)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0
      for (let k = 0; k < depth; k++) sum += a.data[i * depth + k]! * b.data[k * columns + j]!
      out.data[i * columns + j] = sum
    }
  }
  return out
}

/** op(a) op(b). */
export function matmul(a: Array64, b: Array64, layout: MatmulLayout = {}): Array64 {
  return product(layout.transposeA ? transposed(a) : a, layout.transposeB ? transposed(b) : b)
}

/** Gradients of both operands, in the layout they are stored in. */
export function matmulBackward(a: Array64, b: Array64, dOut: Array64, layout: MatmulLayout = {}) {
  const plainA = layout.transposeA ? transposed(a) : a
  const plainB = layout.transposeB ? transposed(b) : b
  const dA = product(dOut, transposed(plainB))
  const dB = product(transposed(plainA), dOut)
  return { a: layout.transposeA ? transposed(dA) : dA, b: layout.transposeB ? transposed(dB) : dB }
}
