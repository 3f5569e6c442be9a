// matmul against its f64 reference, in every layout.
import { expect } from "vitest"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import type { MatmulOptions } from "#gpu-runner/ops/matmul/matmul-problem.ts"
import { releaseWeight, uploadWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { expandMatrix, storeMatrix, WEIGHT_KINDS, type WeightKind } from "#shared/formats/weights/quantisation.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import { type MatmulLayout, matmul as matmul64, matmulBackward } from "#test/reference/matmul.ts"
import { normal64 } from "#test/reference/random.ts"
import { compareOp, relativeError, uploaded64 } from "./compare-op.ts"
import { executingTest, gpuKernelsTest, portableTest, softwareTest } from "./lanes.ts"

const LAYOUTS: readonly MatmulLayout[] = [
  {},
  { transposeB: true },
  { transposeA: true },
  { transposeA: true, transposeB: true },
]
const SIZES = [
  [1, 1, 1],
  [1, 4, 8],
  [5, 3, 7],
  [33, 36, 40],
  [32, 32, 32],
  [64, 96, 128],
  [70, 65, 131],
  [45, 64, 1],
  [8, 128, 77],
  [70, 8, 36],
  [67, 16, 33],
  [45, 12, 64],
  [8, 100, 70],
  [13, 36, 64],
] as const
type Sizes = (typeof SIZES)[number]

function stored(name: string, rows: number, columns: number, isTransposed: boolean | undefined) {
  return normal64(name, isTransposed ? [columns, rows] : [rows, columns], { outlierEvery: 17 })
}

async function compareAllLayouts(context: OpContext, [rows, columns, depth]: Sizes) {
  for (const layout of LAYOUTS) {
    const { transposeA = false, transposeB = false } = layout
    await compareOp(context, {
      inputs: { a: stored("a", rows, depth, transposeA), b: stored("b", depth, columns, transposeB) },
      reference: {
        forward: ({ a, b }) => matmul64(a, b, layout),
        backward: ({ a, b }, dOutput) => matmulBackward(a, b, dOutput, layout),
      },
      device: {
        forward: (ctx, { a, b }) => matmul(ctx, a, b, layout),
        backward: (ctx, { a, b }, dOutput) => ({
          a: transposeA
            ? matmul(ctx, b, dOutput, { transposeA: transposeB, transposeB: true })
            : matmul(ctx, dOutput, b, { transposeB: !transposeB }),
          b: transposeB
            ? matmul(ctx, dOutput, a, { transposeA: true, transposeB: transposeA })
            : matmul(ctx, a, dOutput, { transposeA: !transposeA }),
        }),
      },
    })
  }
}

for (const sizes of SIZES) {
  const name = `matmul ${sizes.join("×")} and its gradients agree with f64 in all four layouts`
  executingTest(name, (context) => compareAllLayouts(context, sizes))
  gpuKernelsTest(name, (context) => compareAllLayouts(context, sizes))
}

softwareTest("matmul accumulates the scaled product onto its output", async (context) => {
  const a = normal64("a", [37, 24])
  const b = normal64("b", [24, 20])
  const base = normal64("base", [37, 20])
  const out = uploaded64(context, base, "out")
  const result = matmul(context, uploaded64(context, a, "a"), uploaded64(context, b, "b"), {
    out,
    accumulate: true,
    scale: -0.5,
  })
  expect(result).toBe(out)
  const product = matmul64(a, b).data
  const expected = base.data.map((value, i) => value - 0.5 * product[i]!)
  const [actual] = await readback(context, [out])
  expect(relativeError(actual!, expected)).toBeLessThan(1e-6)
})

for (const [rank, laneTest] of [
  [8, softwareTest],
  [6, softwareTest],
  [8, portableTest],
] as const) {
  laneTest(
    `a low-rank product of rank ${rank} is added in the same call, forward and backward layouts`,
    async (context) => {
      const [rows, inner, columns] = [37, 24, 40]
      const x = normal64("x", [rows, inner])
      const left = normal64("left", [rows, rank])
      const base = normal64("base", [rows, columns])
      for (const transposeB of [true, false]) {
        const weight = stored("weight", inner, columns, transposeB)
        const right = stored("right", rank, columns, transposeB)
        const out = uploaded64(context, base, "out")
        const lowRank = {
          left: uploaded64(context, left, "left"),
          right: uploaded64(context, right, "right"),
          scale: 0.25,
        }
        const operands = [uploaded64(context, x, "x"), uploaded64(context, weight, "weight")] as const
        matmul(context, ...operands, { transposeB, out, accumulate: true, scale: 2, lowRank })
        const full = matmul64(x, weight, { transposeB }).data
        const low = matmul64(left, right, { transposeB }).data
        const expected = base.data.map((value, i) => value + 2 * (full[i]! + 0.25 * low[i]!))
        const [actual] = await readback(context, [out])
        expect(relativeError(actual!, expected)).toBeLessThan(1e-6)
      }
    },
  )
}

/** Products y = x Wᵀ and dX = dY W with a coded W [out, in], beside the same with W's host expansion as a tensor. */
async function compareCoded(context: OpContext, kind: WeightKind, [tokens, outputs, inputs, rank]: CodedSizes) {
  const values = Float32Array.from(normal64("weight", [outputs, inputs], { scale: 0.1, outlierEvery: 17 }).data)
  const host = storeMatrix(tensorOf("weight", [outputs, inputs], values), kind)
  const weight = uploadWeight(context, host, "weight")
  const expanded = uploaded(context, expandMatrix(host), [outputs, inputs], "expanded")
  const input = (name: string, rows: number, columns: number) =>
    uploaded64(context, normal64(name, [rows, columns]), name)
  const lowRank = (columns: number, transposeB: boolean) => {
    if (rank === 0) return undefined
    const right = transposeB ? input("right", columns, rank) : input("right", rank, columns)
    return { left: input("left", tokens, rank), right, scale: 0.25 }
  }
  for (const transposeB of [true, false]) {
    const [columns, depth] = transposeB ? [outputs, inputs] : [inputs, outputs]
    const a = input("a", tokens, depth)
    const multiply = (b: typeof weight | typeof expanded) => {
      const out = input("base", tokens, columns)
      return matmul(context, a, b, {
        transposeB,
        out,
        accumulate: true,
        scale: -0.5,
        lowRank: lowRank(columns, transposeB),
      })
    }
    const [coded, again, plain] = await readback(context, [multiply(weight), multiply(weight), multiply(expanded)])
    const what = `[${tokens}, ${depth}] × [${outputs}, ${inputs}]${transposeB ? " transposed" : ""}, rank ${rank}`
    expect(coded, what).toEqual(again)
    expect(relativeError(coded!, Float64Array.from(plain!)), what).toBeLessThan(1e-6)
  }
  releaseWeight(context, weight)
}

// Sizes around the tiles' edges, rows that are no whole words or blocks, and outputs or inputs that are no multiple of 4.
const CODED_SIZES = [
  [1, 8, 4, 0],
  [37, 64, 128, 8],
  [16, 36, 68, 4],
  [70, 200, 72, 16],
  [33, 131, 64, 8],
  [5, 40, 67, 6],
  [64, 12, 192, 0],
] as const
type CodedSizes = (typeof CODED_SIZES)[number]

for (const kind of WEIGHT_KINDS) {
  const name = `a product with ${kind} weights is that of their expansion, in both directions`
  const compareAll = async (context: OpContext) => {
    for (const sizes of CODED_SIZES) await compareCoded(context, kind, sizes)
  }
  executingTest(name, compareAll)
  gpuKernelsTest(name, compareAll)
}

softwareTest("a low-rank product of other sizes, or with a transposed first operand, is refused", (context) => {
  const tensor = (rows: number, columns: number) =>
    uploaded64(context, normal64("any", [rows, columns]), `${rows}x${columns}`)
  const multiply = (options: MatmulOptions) => () => matmul(context, tensor(8, 8), tensor(8, 8), options)
  expect(multiply({ lowRank: { left: tensor(8, 4), right: tensor(5, 8) } })).toThrow(
    "lowRank.right (5x8) must be f32 [4,8]",
  )
  const lowRank = { left: tensor(8, 4), right: tensor(4, 8) }
  expect(multiply({ transposeA: true, lowRank })).toThrow("cannot be combined with transposeA")
})

softwareTest("matmul names both shapes when the inner sizes differ", (context) => {
  const a = uploaded64(context, normal64("a", [2, 3]), "hidden")
  const b = uploaded64(context, normal64("b", [4, 5]), "weight")
  expect(() => matmul(context, a, b)).toThrow(ShapeMismatch)
  expect(() => matmul(context, a, b)).toThrow("a [2,3], b [4,5]: inner sizes 3 and 4 differ (hidden, weight)")
})

softwareTest("coded weights are not expanded where tiles read them", async ({ gpu }, { skip }) => {
  if (gpu.info.subgroupMinSize !== 8 || gpu.info.subgroupMaxSize !== 8) skip("the adapter has no subgroups of 8 lanes")
  const context = createContext(gpu)
  const [tokens, outputs, inputs] = [32, 512, 512]
  const host = storeMatrix(tensorOf("weight", [outputs, inputs], new Float32Array(outputs * inputs).fill(1)), "int8")
  const weight = uploadWeight(context, host, "weight")
  const a = uploaded(context, new Float32Array(tokens * inputs).fill(1), [tokens, inputs], "a")
  const before = context.memory.statistics().usedBytes
  const [values] = await readback(context, [matmul(context, a, weight, { transposeB: true })])
  expect(values!.every((value) => Math.abs(value - inputs) < 1e-3)).toBe(true)
  expect(context.memory.statistics().peakUsedBytes - before).toBe(4 * tokens * outputs)
})

softwareTest("matmul names a coded weight whose inner size differs", (context) => {
  const a = uploaded64(context, normal64("a", [2, 3]), "hidden")
  const host = storeMatrix(tensorOf("weight", [4, 8], new Float32Array(32).fill(1)), "nf4")
  const weight = uploadWeight(context, host, "weight")
  expect(() => matmul(context, a, weight, { transposeB: true })).toThrow(
    "a [2,3], b [4,8] transposed: inner sizes 3 and 8 differ (hidden, weight.nf4)",
  )
  releaseWeight(context, weight)
})
