// Reference: one product for each segment of tokens, and the weighted sum of such products.
import { type Array64, dimensions, zeros64 } from "./array64.ts"

/** [S, M, N]: scale · leftᵀ right over the tokens [starts[s], starts[s + 1]) alone. */
export function rowProducts(left: Array64, right: Array64, starts: ArrayLike<number>, scale: number): Array64 {
  const [, m] = dimensions(left)
  const [, n] = dimensions(right)
  const slots = zeros64(starts.length - 1, m, n)
  for (let segment = 0; segment + 1 < starts.length; segment++) {
    for (let token = starts[segment]!; token < starts[segment + 1]!; token++) {
      for (let row = 0; row < m; row++) {
        for (let column = 0; column < n; column++) {
          const product = left.data[token * m + row]! * right.data[token * n + column]!
          slots.data[(segment * m + row) * n + column]! += scale * product
        }
      }
    }
  }
  return slots
}

/** Σ factors[s] · slots[s]. */
export function weightedSlots({ shape, data }: Array64, factors: Array64): Array64 {
  const sum = zeros64(...shape.slice(1))
  const length = sum.data.length
  data.forEach((value, index) => {
    sum.data[index % length]! += factors.data[Math.floor(index / length)]! * value
  })
  return sum
}
