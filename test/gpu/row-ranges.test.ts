// Matrices in several buffers: products, gradients, look-ups and heads give what the same matrix in one buffer gives.
import { expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { differentiableDivergenceHead, divergenceHeadBackward } from "#gpu-runner/ops/head/divergence-head.ts"
import { differentiableLogProbHead, logProbHead, logProbHeadBackward } from "#gpu-runner/ops/head/log-prob-head.ts"
import { addWeightGradient, matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import { columnsOf, putColumns } from "#gpu-runner/ops/rows/copy-columns.ts"
import { groupRows, scatterAddRows } from "#gpu-runner/ops/rows/rows.ts"
import { array64 } from "#test/reference/array64.ts"
import { normal64, randomIndices } from "#test/reference/random.ts"
import { relativeError, uploaded64 } from "./compare-op.ts"
import { executingTest, gpuKernelsTest } from "./lanes.ts"
import { joinRows, rangedWeight, splitRows } from "./row-ranges.ts"

type LaneTest = typeof executingTest

/** In every choice of kernels. */
const everywhere: LaneTest = (name, body) => {
  executingTest(name, body)
  gpuKernelsTest(name, body)
}

/** Largest difference of tensors that should agree, each relative to its own largest value. */
async function largestError(context: OpContext, actual: readonly Tensor[], expected: readonly Tensor[]) {
  const values = await readback(context, [...actual, ...expected])
  const errors = actual.map((_, i) => relativeError(values[i]!, Float64Array.from(values[actual.length + i]!)))
  return Math.max(...errors)
}

const random = (context: OpContext, name: string, shape: readonly [number, number]) =>
  uploaded64(context, normal64(name, shape), name)

everywhere("columns are copied between matrices of any width, in Lane4s and one by one", async (context) => {
  for (const [width, first, count] of [
    [24, 8, 12],
    [23, 5, 7],
    [24, 2, 4],
  ] as const) {
    const whole = normal64("whole", [9, width])
    const part = columnsOf(context, uploaded64(context, whole, "whole"), first, count)
    const target = zeros(context, [9, width], "target")
    putColumns(context, part, target, first)
    const [cut, put] = await readback(context, [part, target])
    const isInside = (index: number) => index % width >= first && index % width < first + count
    expect([...cut!]).toEqual([...Float32Array.from(whole.data)].filter((_, index) => isInside(index)))
    expect([...put!]).toEqual([...Float32Array.from(whole.data)].map((value, index) => (isInside(index) ? value : 0)))
  }
})

executingTest("columns beyond a matrix, and matrices of another height, are refused", (context) => {
  const whole = zeros(context, [4, 8], "whole")
  expect(() => columnsOf(context, whole, 5, 4)).toThrow("4 columns of [4,8] from 5 do not fit into [4,4] at 0")
  expect(() => putColumns(context, zeros(context, [3, 2], "part"), whole, 0)).toThrow("do not fit into [4,8]")
})

// Odd ranges: what no real weight has, since there they begin at multiples of 64 rows.
const CUTS = [
  { rows: 20, columns: 48, depth: 24, rowCounts: [16, 16, 16] },
  { rows: 7, columns: 21, depth: 10, rowCounts: [9, 1, 11] },
]

for (const { rows, columns, depth, rowCounts } of CUTS) {
  const name = `a weight [${columns}, ${depth}] in ranges of ${rowCounts} rows`

  everywhere(
    `${name} multiplies forward and backward as in one buffer, with LoRA's product and added to`,
    async (context) => {
      const weight = random(context, "weight", [columns, depth])
      const x = random(context, "x", [rows, depth])
      const dY = random(context, "dY", [rows, columns])
      const [a, b] = [random(context, "a", [4, depth]), random(context, "b", [columns, 4])]
      const u = matmul(context, x, a, { transposeB: true })
      const du = matmul(context, dY, b)
      const products = (matrix: Parameters<typeof matmul>[2]) => [
        matmul(context, x, matrix, { transposeB: true, scale: 0.5 }),
        matmul(context, x, matrix, { transposeB: true, lowRank: { left: u, right: b, scale: 2 } }),
        matmul(context, dY, matrix, { lowRank: { left: du, right: a } }),
        matmul(context, x, matrix, { transposeB: true, accumulate: true, out: random(context, "y", [rows, columns]) }),
        matmul(context, dY, matrix, { accumulate: true, scale: 3, out: random(context, "dX", [rows, depth]) }),
      ]
      const ranged = products(rangedWeight(context, weight, rowCounts))
      expect(await largestError(context, ranged, products(weight))).toBeLessThan(1e-6)
    },
  )

  everywhere(`the gradient of ${name} is added to range by range`, async (context) => {
    const [x, dY] = [random(context, "x", [rows, depth]), random(context, "dY", [rows, columns])]
    const whole = random(context, "before", [columns, depth])
    const ranges = splitRows(context, whole, rowCounts)
    addWeightGradient(context, dY, x, whole)
    addWeightGradient(context, dY, x, ranges)
    expect(await largestError(context, [joinRows(context, ranges)], [whole])).toBeLessThan(1e-6)
  })

  everywhere(`rows are scattered into ${name} bit for bit as into one buffer`, async (context) => {
    const ids = randomIndices("ids", 60, columns)
    const groups = groupRows(context, ids, "ids")
    const dRows = random(context, "dRows", [60, depth])
    const whole = random(context, "before", [columns, depth])
    const ranges = splitRows(context, whole, rowCounts)
    scatterAddRows(context, groups, dRows, whole)
    scatterAddRows(context, groups, dRows, ranges)
    const [actual, expected] = await readback(context, [joinRows(context, ranges), whole])
    expect([...actual!]).toEqual([...expected!])
  })
}

function headInputs(context: OpContext, [rows, channels, vocabulary]: readonly [number, number, number]) {
  return {
    hidden: uploaded64(context, normal64("hidden", [rows, channels], { outlierEvery: 29 }), "hidden"),
    weight: random(context, "weight", [vocabulary, channels]),
    targets: uploaded(context, randomIndices("targets", rows, vocabulary), [rows], "targets"),
    upstream: uploaded64(context, normal64("upstream", [rows]), "upstream"),
  }
}

everywhere("ranges whose logits lie 20,000 apart lose no accuracy, whichever comes first", async (context) => {
  const hidden = uploaded64(context, array64([[10_000], [-10_000]]), "hidden")
  const whole = uploaded64(context, array64([[1], [1.0001220703125], [-1]]), "weight")
  const targets = uploaded(context, Uint32Array.of(0, 0), [2], "targets")
  const weight = rangedWeight(context, whole, [1, 1, 1])
  const { logProbs, entropy } = logProbHead(context, hidden, weight, targets)
  const [nats, entropies] = await readback(context, [logProbs, entropy])
  // Row 0: logits 10000, 10001.220703125, -10000. Row 1: -10000, -10001.220703125, 10000.
  const p = 1 / (1 + Math.exp(1.220703125))
  expect(nats![0]).toBeCloseTo(Math.log(p), 5)
  expect(nats![1]).toBe(-20_000)
  expect(entropies![0]).toBeCloseTo(-p * Math.log(p) - (1 - p) * Math.log(1 - p), 5)
  expect(entropies![1]).toBe(0)
})

const HEADS = [
  { sizes: [70, 12, 68], rowCounts: [20, 20, 20, 8], options: { chunkRows: 64 } },
  { sizes: [9, 8, 35], rowCounts: [1, 33, 1], options: { softCap: 3 } },
  { sizes: [3, 8, 9001], rowCounts: [4360, 4641], options: {} },
] as const

for (const { sizes, rowCounts, options } of HEADS) {
  everywhere(
    `a head over ${sizes[2]} tokens in ranges of ${rowCounts} gives the log-probs and gradients of one`,
    async (context) => {
      const { hidden, weight, targets, upstream } = headInputs(context, sizes)
      const heads = (matrix: Parameters<typeof logProbHead>[2], dWeight: Tensor | Tensor[]) => {
        const scores = logProbHead(context, hidden, matrix, targets, options)
        const kept = differentiableLogProbHead(context, hidden, matrix, targets, options)
        const saved = { hidden, weight: matrix, targets, logSumExp: scores.logSumExp, upstream }
        const dHidden = logProbHeadBackward(context, saved, { ...options, dWeight })
        return [...Object.values(scores), ...Object.values(kept), dHidden]
      }
      const dWhole = zeros(context, weight.shape, "dWeight")
      const dRanges = rowCounts.map((count) => zeros(context, [count, sizes[1]], "dRange"))
      const ranged = heads(rangedWeight(context, weight, rowCounts), dRanges)
      const whole = heads(weight, dWhole)
      const error = await largestError(context, [...ranged, joinRows(context, dRanges)], [...whole, dWhole])
      expect(error).toBeLessThan(1e-5)
    },
  )

  everywhere(
    `the divergence of a head over ${sizes[2]} tokens in ranges of ${rowCounts} is that of one`,
    async (context) => {
      const { hidden, weight, upstream } = headInputs(context, sizes)
      const referenceHidden = random(context, "referenceHidden", [sizes[0], sizes[1]])
      const heads = (matrix: Parameters<typeof logProbHead>[2], dWeight: Tensor | Tensor[]) => {
        const inputs = { hidden, weight: matrix, referenceHidden, referenceWeight: matrix }
        const kept = differentiableDivergenceHead(context, inputs, options)
        return [
          ...Object.values(kept),
          divergenceHeadBackward(context, { ...inputs, upstream }, { ...options, dWeight }),
        ]
      }
      const dWhole = zeros(context, weight.shape, "dWeight")
      const dRanges = rowCounts.map((count) => zeros(context, [count, sizes[1]], "dRange"))
      const ranged = heads(rangedWeight(context, weight, rowCounts), dRanges)
      const whole = heads(weight, dWhole)
      const error = await largestError(context, [...ranged, joinRows(context, dRanges)], [...whole, dWhole])
      expect(error).toBeLessThan(1e-5)
    },
  )
}

executingTest(
  "a policy and a reference that are cut at different tokens diverge as if they were not cut",
  async (context) => {
    const hidden = random(context, "hidden", [5, 64])
    const weight = random(context, "weight", [300, 64])
    const referenceHidden = random(context, "referenceHidden", [5, 64])
    const referenceWeight = random(context, "referenceWeight", [300, 64])
    const whole = differentiableDivergenceHead(context, { hidden, weight, referenceHidden, referenceWeight })
    const ranged = differentiableDivergenceHead(context, {
      hidden,
      weight: rangedWeight(context, weight, [64, 128, 108]),
      referenceHidden,
      referenceWeight: rangedWeight(context, referenceWeight, [128, 172]),
    })
    expect(await largestError(context, Object.values(ranged), Object.values(whole))).toBeLessThan(1e-5)
  },
)
