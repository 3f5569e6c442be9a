// The head over the vocabulary: log-probs alone, and with the hidden rows' gradient as a frozen head keeps it for the backward pass.

import type { OpContext } from "#gpu-runner/device/context.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { differentiableLogProbHead, logProbHead } from "#gpu-runner/ops/head/log-prob-head.ts"
import { uploadWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import { storeMatrix, type WeightKind } from "#shared/formats/weights/quantisation.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import type { OpCase } from "./op-cases.ts"
import { randomValues, uploadedRandom, WEIGHT_DEVIATION } from "./random-model.ts"

export interface HeadSizes {
  readonly rows: number
  readonly channels: number
  readonly vocabulary: number
}

/** Both cases for every kind of weight. Tensors belong to the open scope and, in fewer bits than f32, to the device until it is closed. */
export function headCases(context: OpContext, sizes: HeadSizes, kinds: readonly WeightKind[]): OpCase[] {
  const { rows, channels, vocabulary } = sizes
  const hidden = uploadedRandom(context, [rows, channels], "bench.hidden")
  const random = new SeededRandom(3, "bench targets")
  const targets = uploaded(
    context,
    Uint32Array.from({ length: rows }, () => random.bits() % vocabulary),
    [rows],
    "bench.targets",
  )
  const values = tensorOf("bench.head", [vocabulary, channels], randomValues(vocabulary * channels, WEIGHT_DEVIATION))
  const product = 2 * rows * channels * vocabulary
  return kinds.flatMap((kind): OpCase[] => {
    const weight = uploadWeight(context, storeMatrix(values, kind), "bench.head")
    const facts = { ...sizes, weights: kind }
    return [
      {
        name: `log-probs ${kind}`,
        sizes: facts,
        flops: product,
        run: () => {
          logProbHead(context, hidden, weight, targets)
        },
      },
      {
        name: `log-probs and gradient ${kind}`,
        sizes: facts,
        flops: 2 * product,
        run: () => {
          differentiableLogProbHead(context, hidden, weight, targets)
        },
      },
    ]
  })
}
