// AdamW and clipping on the device against f64.
import { expect, test } from "vitest"
import { readback } from "#gpu-runner/device/transfer.ts"
import { scale, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { sumOfSquares } from "#gpu-runner/ops/optimiser/reduce.ts"
import { adamw } from "#gpu-runner/optimiser/adamw.ts"
import { clipCoefficient } from "#gpu-runner/optimiser/clip.ts"
import { warmupSteps } from "#gpu-runner/optimiser/schedule.ts"
import { adamwStep } from "#test/reference/adamw.ts"
import { array64, zeros64 } from "#test/reference/array64.ts"
import { normal64 } from "#test/reference/random.ts"
import { relativeError, uploaded64 } from "./compare-op.ts"
import { executingTest } from "./lanes.ts"

const SETTINGS = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 }

executingTest("five AdamW steps on tensors of odd sizes follow f64", async (context) => {
  const shapes = [[1], [7, 3], [33, 36]]
  const states = shapes.map((shape, i) => ({
    parameter: normal64(`parameter${i}`, shape),
    firstMoment: zeros64(...shape),
    secondMoment: zeros64(...shape),
  }))
  const parameters = states.map(({ parameter }, i) => ({
    parameter: uploaded64(context, parameter, "parameter"),
    gradient: zeros(context, shapes[i]!, "gradient"),
    firstMoment: zeros(context, shapes[i]!, "firstMoment"),
    secondMoment: zeros(context, shapes[i]!, "secondMoment"),
  }))
  for (let step = 1; step <= 5; step++) {
    const gradients = shapes.map((shape, i) =>
      normal64(`gradient${i}.${step}`, shape, { scale: 1e-3, outlierEvery: 5 }),
    )
    states.forEach((state, i) => {
      adamwStep(state, gradients[i]!, step, SETTINGS)
    })
    const updated = parameters.map((parameter, i) => ({
      ...parameter,
      gradient: uploaded64(context, gradients[i]!, "gradient"),
    }))
    adamw(context, updated, { step, ...SETTINGS })
  }
  const values = await readback(
    context,
    parameters.map(({ parameter }) => parameter),
  )
  values.forEach((value, i) => {
    expect(relativeError(value, states[i]!.parameter.data)).toBeLessThan(2e-6)
  })
})

executingTest(
  "the first AdamW step moves each element by the learning rate, whatever its gradient",
  async (context) => {
    const one = {
      parameter: uploaded64(context, array64([1, 1, 1]), "parameter"),
      gradient: uploaded64(context, array64([5, -1e-3, 0]), "gradient"),
      firstMoment: zeros(context, [3], "firstMoment"),
      secondMoment: zeros(context, [3], "secondMoment"),
    }
    adamw(context, [one], { step: 1, ...SETTINGS, weightDecay: 0 })
    const [values] = await readback(context, [one.parameter])
    expect(values![0]).toBeCloseTo(0.99, 6)
    expect(values![1]).toBeCloseTo(1.01, 6)
    expect(values![2]).toBe(1)
  },
)

executingTest(
  "clipping brings a gradient of norm 5 to the maximum norm, leaves smaller ones alone, and takes a scale out",
  async (context) => {
    const gradients = [uploaded64(context, array64([3]), "a"), uploaded64(context, array64([0, 4]), "b")]
    const squares = sumOfSquares(context, gradients)
    const unclipped = clipCoefficient(context, squares, 10)
    const off = clipCoefficient(context, squares, 0)
    const clip = clipCoefficient(context, squares, 1)
    const eightfold = clipCoefficient(context, sumOfSquares(context, [scale(context, gradients[1]!, 8)]), 1, 8)
    const [large, disabled, small, scaled] = await readback(context, [unclipped, off, clip, eightfold])
    expect([...large!]).toEqual([5, 1])
    expect([...disabled!]).toEqual([5, 1])
    expect(small![1]).toBeCloseTo(0.2, 6)
    expect(scaled![0]).toBe(4)
    expect(scaled![1]).toBeCloseTo(0.25 / 8, 6)
  },
)

executingTest("AdamW given a clip takes the step that clipped gradients would take", async (context) => {
  const state = (gradient: readonly number[]) => ({
    parameter: uploaded64(context, array64([1, 2]), "parameter"),
    gradient: uploaded64(context, array64(gradient), "gradient"),
    firstMoment: zeros(context, [2], "firstMoment"),
    secondMoment: zeros(context, [2], "secondMoment"),
  })
  const options = { step: 1, ...SETTINGS, epsilon: 0.1 }
  const clipped = state([3, 4])
  const clip = clipCoefficient(context, sumOfSquares(context, [clipped.gradient]), 1)
  adamw(context, [clipped], options, clip)
  const plain = state([0.6, 0.8])
  adamw(context, [plain], options)
  const [left, right] = await readback(context, [clipped.parameter, plain.parameter])
  expect(left![0]).toBeCloseTo(right![0]!, 6)
  expect(left![1]).toBeCloseTo(right![1]!, 6)
})

executingTest("AdamW changes nothing where the norm is not finite", async (context) => {
  const state = {
    parameter: uploaded64(context, array64([1, 2]), "parameter"),
    gradient: uploaded64(context, array64([1e30, 3]), "gradient"),
    firstMoment: uploaded64(context, array64([0.5, 0.25]), "firstMoment"),
    secondMoment: uploaded64(context, array64([4, 8]), "secondMoment"),
  }
  const clip = clipCoefficient(context, sumOfSquares(context, [state.gradient]), 1)
  adamw(context, [state], { step: 1, ...SETTINGS }, clip)
  const { parameter, firstMoment, secondMoment } = state
  const [norm, ...values] = await readback(context, [clip, parameter, firstMoment, secondMoment])
  expect(norm![0]).toBe(Number.POSITIVE_INFINITY)
  expect(values.map((value) => [...value])).toEqual([
    [1, 2],
    [0.5, 0.25],
    [4, 8],
  ])
})

executingTest("AdamW refuses step 0, whose bias correction would divide by zero", (context) => {
  expect(() => adamw(context, [], { step: 0, ...SETTINGS })).toThrow("steps count from 1")
})

test("warm-up takes ceil(ratio · steps) steps", () => {
  expect([warmupSteps(0.1, 100), warmupSteps(0.1, 101), warmupSteps(0, 10), warmupSteps(0.03, 10)]).toEqual([
    10, 11, 0, 1,
  ])
})
