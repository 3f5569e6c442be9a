// The head's log-probabilities, entropy and gradients against f64, in one chunk and in several.
import { expect } from "vitest"
import { closeContext, createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { differentiableLogProbHead, logProbHead, logProbHeadBackward } from "#gpu-runner/ops/head/log-prob-head.ts"
import { scaleRows } from "#gpu-runner/ops/rows/rows.ts"
import { array64 } from "#test/reference/array64.ts"
import {
  logProbHeadBackward as backward64,
  collision,
  entropy,
  logProbHead as logProbHead64,
} from "#test/reference/log-prob-head.ts"
import { normal64, randomIndices } from "#test/reference/random.ts"
import { compareOp, relativeError, uploaded64 } from "./compare-op.ts"
import { executingTest, gpuKernelsTest } from "./lanes.ts"

interface HeadCase {
  readonly rows: number
  readonly channels: number
  readonly vocabulary: number
  readonly chunkRows?: number
  readonly softCap?: number
}

const CASES: readonly HeadCase[] = [
  { rows: 1, channels: 1, vocabulary: 2 },
  { rows: 3, channels: 8, vocabulary: 5 },
  { rows: 33, channels: 20, vocabulary: 131 },
  { rows: 130, channels: 12, vocabulary: 68, chunkRows: 64 },
  { rows: 130, channels: 7, vocabulary: 33, chunkRows: 64 },
  // Logits of up to a few times the cap: the tanh bends them, and its slope is far from 1.
  { rows: 3, channels: 8, vocabulary: 5, softCap: 4 },
  { rows: 130, channels: 12, vocabulary: 68, chunkRows: 64, softCap: 4 },
]

const described = ({ rows, channels, vocabulary, softCap }: HeadCase) =>
  `[${rows}, ${channels}] over ${vocabulary} tokens${softCap ? ` with logits capped at ${softCap}` : ""}`

for (const headCase of CASES) {
  const { rows, channels, vocabulary, chunkRows, softCap } = headCase
  const chunks = chunkRows ? ` in chunks of ${chunkRows}` : ""
  const compareHead = (context: OpContext) => {
    const targets = randomIndices("targets", rows, vocabulary)
    const upload = (ctx: typeof context) => uploaded(ctx, targets, [rows], "targets")
    return compareOp(context, {
      inputs: {
        hidden: normal64("hidden", [rows, channels], { outlierEvery: 29 }),
        weight: normal64("weight", [vocabulary, channels]),
      },
      reference: {
        forward: ({ hidden, weight }) => logProbHead64(hidden, weight, targets, softCap),
        backward: ({ hidden, weight }, dOutput) => backward64(hidden, weight, targets, dOutput, softCap),
      },
      device: {
        forward: (ctx, { hidden, weight }) =>
          logProbHead(ctx, hidden, weight, upload(ctx), { chunkRows, softCap }).logProbs,
        backward: (ctx, { hidden, weight }, upstream) => {
          const targetsTensor = upload(ctx)
          const { logSumExp } = logProbHead(ctx, hidden, weight, targetsTensor, { chunkRows, softCap })
          const dWeight = zeros(ctx, [vocabulary, channels], "dWeight")
          const saved = { hidden, weight, targets: targetsTensor, logSumExp, upstream }
          return { hidden: logProbHeadBackward(ctx, saved, { dWeight, chunkRows, softCap }), weight: dWeight }
        },
      },
    })
  }
  const name = `logProbHead of ${described(headCase)}${chunks} agrees with f64`
  executingTest(name, compareHead)
  if (chunkRows && softCap) gpuKernelsTest(name, compareHead)
}

for (const headCase of CASES) {
  const { rows, channels, vocabulary, chunkRows, softCap } = headCase
  executingTest(`a frozen head keeps its row gradients of ${described(headCase)} in one pass`, (context) => {
    const targets = randomIndices("targets", rows, vocabulary)
    const weight = normal64("weight", [vocabulary, channels])
    const run = (ctx: typeof context, hidden: Tensor) => {
      const targetsTensor = uploaded(ctx, targets, [rows], "targets")
      return differentiableLogProbHead(ctx, hidden, uploaded64(ctx, weight, "weight"), targetsTensor, {
        chunkRows,
        softCap,
      })
    }
    return compareOp(context, {
      inputs: { hidden: normal64("hidden", [rows, channels], { outlierEvery: 29 }) },
      reference: {
        forward: ({ hidden }) => logProbHead64(hidden, weight, targets, softCap),
        backward: ({ hidden }, dOutput) => ({ hidden: backward64(hidden, weight, targets, dOutput, softCap).hidden }),
      },
      device: {
        forward: (ctx, { hidden }) => run(ctx, hidden).logProbs,
        backward: (ctx, { hidden }, upstream) => ({ hidden: scaleRows(ctx, run(ctx, hidden).rowGradient, upstream) }),
      },
    })
  })
}

for (const softCap of [undefined, 3]) {
  const capped = softCap ? "of capped logits " : ""
  executingTest(`entropy and collision ${capped}agree with f64, and are ±ln V for equal logits`, async (context) => {
    const hidden = normal64("hidden", [9, 6], { outlierEvery: 7 })
    const weight = normal64("weight", [50, 6])
    const targets = uploaded(context, randomIndices("targets", 9, 50), [9], "targets")
    const weightTensor = uploaded64(context, weight, "weight")
    const head = logProbHead(context, uploaded64(context, hidden, "hidden"), weightTensor, targets, { softCap })
    const flat = logProbHead(context, zeros(context, [9, 6], "flat"), weightTensor, targets, { softCap })
    const tensors = [head.entropy, head.collision, flat.entropy, flat.collision, flat.logProbs]
    const [entropies, collisions, ...uniform] = await readback(context, tensors)
    expect(relativeError(entropies!, entropy(hidden, weight, softCap).data)).toBeLessThan(1e-5)
    expect(relativeError(collisions!, collision(hidden, weight, softCap).data)).toBeLessThan(1e-5)
    expect(uniform.map((values) => values[8]!)).toEqual(
      [Math.log(50), -Math.log(50), -Math.log(50)].map((nats) => expect.closeTo(nats, 5)),
    )
  })
}

executingTest("logits around ±10,000 lose no accuracy, because the maximum is subtracted first", async (context) => {
  const hidden = uploaded64(context, array64([[10_000], [-10_000]]), "hidden")
  const weight = uploaded64(context, array64([[1], [1.0001220703125], [-1]]), "weight")
  const targets = uploaded(context, Uint32Array.of(0, 0), [2], "targets")
  const [logProbs] = await readback(context, [logProbHead(context, hidden, weight, targets).logProbs])
  // Row 0: logits 10000, 10001.220703125, -10000. Row 1: -10000, -10001.220703125, 10000.
  expect(logProbs![0]).toBeCloseTo(-Math.log(1 + Math.exp(1.220703125)), 5)
  expect(logProbs![1]).toBe(-20_000)
})

executingTest(
  "logits alive at once stay within the bytes asked for, and any chunks give f64's log-probs and row gradients",
  async ({ gpu, kernels }) => {
    const [rows, channels, vocabulary] = [80, 64, 9001]
    const rowBytes = 4 * vocabulary
    const hidden = normal64("hidden", [rows, channels], { scale: 0.3 })
    const weight = normal64("weight", [vocabulary, channels])
    const targets = randomIndices("targets", rows, vocabulary)
    const expected = logProbHead64(hidden, weight, targets)
    const ones = { ...expected, data: expected.data.map(() => 1) }
    const gradient = backward64(hidden, weight, targets, ones).hidden!
    const run = async (logitsBytes: number) => {
      const context = createContext(gpu, kernels)
      const inputs = [uploaded64(context, hidden, "hidden"), uploaded64(context, weight, "weight")] as const
      const ids = uploaded(context, targets, [rows], "targets")
      const before = context.memory.statistics().usedBytes
      const head = differentiableLogProbHead(context, ...inputs, ids, { logitsBytes })
      const [logProbs, rowGradient] = await readback(context, [head.logProbs, head.rowGradient])
      expect(relativeError(logProbs!, expected.data)).toBeLessThan(1e-6)
      expect(relativeError(rowGradient!, gradient.data)).toBeLessThan(1e-5)
      const used = context.memory.statistics().peakUsedBytes - before
      closeContext(context)
      return used
    }
    // What is left beside the logits: the row gradients, and a few floats a row.
    const besides = rows * (channels + 16) * 4
    const whole = await run(rows * rowBytes)
    expect(whole).toBeLessThan((rows * rowBytes + besides) * 1.125)
    expect(whole).toBeGreaterThan(rows * rowBytes)
    expect(await run(21 * rowBytes)).toBeLessThan((21 * rowBytes + besides) * 1.125)
  },
)

executingTest("targets of another length, and chunks that no view can start at, are refused", (context) => {
  const hidden = zeros(context, [4, 8], "hidden")
  const weight = zeros(context, [10, 8], "weight")
  const targets = uploaded(context, new Uint32Array(3), [3], "targets")
  expect(() => logProbHead(context, hidden, weight, targets)).toThrow(ShapeMismatch)
  expect(() => logProbHead(context, hidden, weight, targets)).toThrow(
    "targets (targets) must be u32 [4], it is u32 [3]",
  )
  const four = uploaded(context, new Uint32Array(4), [4], "targets")
  expect(() => logProbHead(context, hidden, weight, four, { chunkRows: 3 })).toThrow("multiple of 64")
})
