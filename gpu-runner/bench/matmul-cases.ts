// Products of one size after another: in all kinds in which the second operand may be held, and as forward, input-gradient and
// weight-gradient products of a linear layer have their operands.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import { type StoredWeight, uploadWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { storeMatrix, type WeightKind } from "#shared/formats/weights/quantisation.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import type { OpCase } from "./op-cases.ts"
import { randomValues, uploadedRandom, WEIGHT_DEVIATION } from "./random-model.ts"

/** Of [M, N] = A [M, K] · B [K, N]. */
export interface ProductSize {
  readonly rows: number
  readonly columns: number
  readonly depth: number
}

/** N: stored as it multiplies; T: stored transposed. First A, then B. */
export const PRODUCTS = ["nn", "nt", "tn"] as const
export type ProductLayout = (typeof PRODUCTS)[number]

/** Every size in every kind and layout. Operands belong to the open scope and, in fewer bits than f32, to the device until it is closed. */
export function matmulCases(
  context: OpContext,
  sizes: readonly ProductSize[],
  kinds: readonly WeightKind[],
  layouts: readonly ProductLayout[],
): OpCase[] {
  return sizes.flatMap((size) =>
    layouts.flatMap((layout) => {
      const { rows, columns, depth } = size
      const a = layout === "tn" ? ([depth, rows] as const) : ([rows, depth] as const)
      const left = uploadedRandom(context, a, "bench.left")
      return kinds.map((kind): OpCase => {
        const right = secondOperand(context, size, layout, kind)
        return {
          name: `${rows}x${columns}x${depth} ${layout} ${kind}`,
          sizes: { rows, columns, depth, layout, weights: kind },
          flops: 2 * rows * columns * depth,
          run: () => {
            matmul(context, left, right, { transposeA: layout === "tn", transposeB: layout === "nt" })
          },
        }
      })
    }),
  )
}

function secondOperand(
  context: OpContext,
  { columns, depth }: ProductSize,
  layout: ProductLayout,
  kind: WeightKind,
): StoredWeight {
  const shape = layout === "nt" ? [columns, depth] : [depth, columns]
  const values = randomValues(columns * depth, WEIGHT_DEVIATION)
  return uploadWeight(context, storeMatrix(tensorOf("bench.right", shape, values), kind), "bench.right")
}
