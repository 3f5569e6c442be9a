// The divergence head against f64, in one chunk and in several, with the head trained and frozen, near 0 and far from it.
import { expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import {
  type DivergenceHeadInputs,
  differentiableDivergenceHead,
  divergenceHead,
  divergenceHeadBackward,
} from "#gpu-runner/ops/head/divergence-head.ts"
import { scaleRows } from "#gpu-runner/ops/rows/rows.ts"
import { array64 } from "#test/reference/array64.ts"
import {
  divergenceHead as divergenceHead64,
  divergenceHeadBackward as divergenceHeadBackward64,
} from "#test/reference/divergence-head.ts"
import { normal64 } from "#test/reference/random.ts"
import { compareOp, relativeError, uploaded64 } from "./compare-op.ts"
import { executingTest, gpuKernelsTest } from "./lanes.ts"

const CASES = [
  { rows: 1, channels: 1, referenceChannels: 1, vocabulary: 2 },
  { rows: 33, channels: 20, referenceChannels: 20, vocabulary: 131 },
  { rows: 130, channels: 12, referenceChannels: 8, vocabulary: 68, chunkRows: 64 },
  { rows: 130, channels: 12, referenceChannels: 12, vocabulary: 68, chunkRows: 64, softCap: 4 },
  { rows: 3, channels: 8, referenceChannels: 8, vocabulary: 5, softCap: 2 },
]

for (const { rows, channels, referenceChannels, vocabulary, ...options } of CASES) {
  const cap = options.softCap ? ` with logits capped at ${options.softCap}` : ""
  const what = `[${rows}, ${channels}] over ${vocabulary} tokens${cap}`
  const hidden = normal64("hidden", [rows, channels], { outlierEvery: 29 })
  const weight = normal64("weight", [vocabulary, channels])
  const reference = {
    referenceHidden: normal64("referenceHidden", [rows, referenceChannels], { outlierEvery: 31 }),
    referenceWeight: normal64("referenceWeight", [vocabulary, referenceChannels]),
  }

  const compareDivergence = (context: OpContext) =>
    compareOp(context, {
      inputs: { hidden, weight, ...reference },
      reference: {
        forward: (inputs) => divergenceHead64(inputs, options.softCap),
        backward: (inputs, upstream) => divergenceHeadBackward64(inputs, upstream, options.softCap),
      },
      device: {
        forward: (ctx, inputs) => divergenceHead(ctx, inputs, options).divergence,
        backward: (ctx, inputs, upstream) => {
          const dWeight = zeros(ctx, [vocabulary, channels], "dWeight")
          const dHidden = divergenceHeadBackward(ctx, { ...inputs, upstream }, { ...options, dWeight })
          return { hidden: dHidden, weight: dWeight }
        },
      },
    })
  const name = `divergenceHead of ${what} and its gradients agree with f64`
  executingTest(name, compareDivergence)
  if (options.chunkRows && options.softCap) gpuKernelsTest(name, compareDivergence)

  executingTest(`a frozen divergence head of ${what} keeps its row gradients in one pass`, (context) =>
    compareOp(context, {
      inputs: { hidden, weight, ...reference },
      reference: {
        forward: (inputs) => divergenceHead64(inputs, options.softCap),
        backward: (inputs, upstream) => ({
          hidden: divergenceHeadBackward64(inputs, upstream, options.softCap).hidden,
        }),
      },
      device: {
        forward: (ctx, inputs) => differentiableDivergenceHead(ctx, inputs, options).divergence,
        backward: (ctx, inputs, upstream) => ({
          hidden: scaleRows(ctx, differentiableDivergenceHead(ctx, inputs, options).rowGradient, upstream),
        }),
      },
    }),
  )
}

executingTest(
  "a policy that is its reference diverges by 0 exactly, and one that is near it by what f64 says",
  async (context) => {
    const hidden = normal64("hidden", [9, 16], { outlierEvery: 7 })
    const weight = normal64("weight", [301, 16])
    const near = { ...hidden, data: hidden.data.map((x, i) => Math.fround(x * (1 + 1e-4 * Math.sin(i)))) }
    const weightTensor = uploaded64(context, weight, "weight")
    const inputs = (policy: typeof hidden): DivergenceHeadInputs => ({
      hidden: uploaded64(context, policy, "hidden"),
      weight: weightTensor,
      referenceHidden: uploaded64(context, hidden, "referenceHidden"),
      referenceWeight: weightTensor,
    })
    const [same, close] = await readback(context, [
      divergenceHead(context, inputs(hidden)).divergence,
      divergenceHead(context, inputs(near)).divergence,
    ])
    expect([...same!]).toEqual(Array.from({ length: 9 }, () => 0))
    const expected = divergenceHead64({ hidden: near, weight, referenceHidden: hidden, referenceWeight: weight })
    // Around 1e-7 nats, below the rounding of the log-probabilities themselves.
    expect(Math.max(...expected.data)).toBeLessThan(1e-6)
    expect(relativeError(close!, expected.data)).toBeLessThan(0.02)
  },
)

executingTest("tokens that one model rules out leave the divergence finite", async (context) => {
  const inputs = (policy: number, reference: number): DivergenceHeadInputs => ({
    hidden: uploaded64(context, array64([[policy]]), "hidden"),
    weight: uploaded64(context, array64([[1], [-1], [0]]), "weight"),
    referenceHidden: uploaded64(context, array64([[reference]]), "referenceHidden"),
    referenceWeight: uploaded64(context, array64([[1], [-1], [0]]), "referenceWeight"),
  })
  const [opposite, certain] = await readback(context, [
    divergenceHead(context, inputs(-500, 500)).divergence,
    divergenceHead(context, inputs(500, 500)).divergence,
  ])
  // The reference is sure of token 0, whose log-probability under the policy is -1000.
  expect(opposite![0]).toBeCloseTo(1000, 3)
  expect(certain![0]).toBe(0)
})

executingTest("hidden rows of another count, and weights of another vocabulary, are refused", (context) => {
  const inputs = {
    hidden: zeros(context, [4, 8], "hidden"),
    weight: zeros(context, [10, 8], "weight"),
    referenceHidden: zeros(context, [3, 8], "referenceHidden"),
    referenceWeight: zeros(context, [10, 8], "referenceWeight"),
  }
  expect(() => divergenceHead(context, inputs)).toThrow("referenceHidden (referenceHidden) must be f32 [4,8]")
  const other = { ...inputs, referenceHidden: inputs.hidden, referenceWeight: zeros(context, [9, 8], "nine") }
  expect(() => divergenceHead(context, other)).toThrow("referenceWeight (nine) must be f32 [10,8]")
})
