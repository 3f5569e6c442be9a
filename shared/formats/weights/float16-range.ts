// Whether a matrix fits into binary16: what a product with f16 operands has to know of its weights.
import type { HostMatrix } from "./quantisation.ts"

const LARGEST_FLOAT16 = 65_504
/** The bits of the smallest bfloat16 beyond it, 65,536, without the sign. */
const FIRST_BFLOAT16_BEYOND = 0x4780
const LARGEST_CODE = { int8: 127, nf4: 1 } as const

/** Whether any element is larger in magnitude than f16's largest value; quantised ones by their blocks' largest possible element. */
export function exceedsFloat16(matrix: HostMatrix): boolean {
  switch (matrix.kind) {
    case "f16":
      return false
    case "f32":
      return matrix.values.some((value) => Math.abs(value) > LARGEST_FLOAT16)
    case "bf16":
      return matrix.words.some(
        (word) => (word & 0x7fff) >= FIRST_BFLOAT16_BEYOND || ((word >>> 16) & 0x7fff) >= FIRST_BFLOAT16_BEYOND,
      )
    default: {
      const largest = LARGEST_FLOAT16 / LARGEST_CODE[matrix.kind]
      return matrix.scales?.some((scale) => scale > largest) ?? false
    }
  }
}
