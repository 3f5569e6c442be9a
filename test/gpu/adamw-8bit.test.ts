// AdamW with 8-bit moments against its f64 twin code by code, and against f32 AdamW on a problem with a known solution.
import { expect, test } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { readback, upload } from "#gpu-runner/device/transfer.ts"
import { zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { sumOfSquares } from "#gpu-runner/ops/optimiser/reduce.ts"
import { adamw } from "#gpu-runner/optimiser/adamw.ts"
import {
  adamw8bit,
  createDynamicMaps,
  createMoments8bit,
  dynamicMap,
  type Moments8bit,
} from "#gpu-runner/optimiser/adamw-8bit.ts"
import { clipCoefficient } from "#gpu-runner/optimiser/clip.ts"
import {
  adamw8bitStep,
  dynamicMap64,
  type Quantised64,
  quantised64,
  zeroQuantised64,
} from "#test/reference/adamw-8bit.ts"
import { type Array64, array64 } from "#test/reference/array64.ts"
import { normal64 } from "#test/reference/random.ts"
import { relativeError, uploaded64 } from "./compare-op.ts"
import { executingTest } from "./lanes.ts"

const SETTINGS = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 }

test("the maps are the paper's dynamic tree: 256 ascending values, decoded from their bits", () => {
  for (const isSigned of [true, false]) {
    const map = dynamicMap(isSigned)
    expect([...map]).toEqual(dynamicMap64(isSigned).map((value) => expect.closeTo(value, 7)))
    expect(new Set(map).size).toBe(256)
    expect([map.includes(0), map[255]]).toEqual([true, 1])
  }
  // The smallest steps: one value in the lowest decade of the signed map, two in the unsigned one's.
  expect(dynamicMap(true)[128]).toBeCloseTo(0.55e-6, 12)
  expect([...dynamicMap(false).slice(0, 3)]).toEqual([0, 0.325e-6, 0.775e-6].map(Math.fround))
})

/** Codes in words as the device keeps them. */
function codeWords({ codes }: Quantised64): Uint32Array {
  const bytes = new Uint8Array(4 * Math.ceil(codes.length / 4))
  bytes.set(codes)
  return new Uint32Array(bytes.buffer)
}

function uploadMoments(context: OpContext, moments: Moments8bit, first: Quantised64, second: Quantised64) {
  upload(context, moments.firstCodes, codeWords(first))
  upload(context, moments.firstScales, Float32Array.from(first.scales))
  upload(context, moments.secondCodes, codeWords(second))
  upload(context, moments.secondScales, Float32Array.from(second.scales))
}

async function codesOf(context: OpContext, codes: Moments8bit["firstCodes"], count: number): Promise<Uint8Array> {
  const [words] = await readback(context, [codes])
  return new Uint8Array(words!.buffer).slice(0, count)
}

/** Codes may differ by one at a rounding border, in fewer than a thousandth of the elements. */
function expectSameCodes(actual: Uint8Array, expected: Uint8Array, name: string) {
  const differences = Array.from(actual, (code, i) => Math.abs(code - expected[i]!)).filter((by) => by !== 0)
  expect(Math.max(0, ...differences), name).toBeLessThanOrEqual(1)
  expect(differences.length, name).toBeLessThan(Math.max(1, expected.length / 1000))
}

/** Magnitudes over many decades, as gradients have them. */
function spread64(name: string, count: number): Array64 {
  const exponents = normal64(`${name}.exponents`, [count])
  return {
    shape: [count],
    data: normal64(name, [count]).data.map((x, i) => Math.fround(x * 10 ** (exponents.data[i]! - 3))),
  }
}

for (const count of [1, 3, 255, 256, 257, 5003]) {
  executingTest(
    `a step on ${count} elements leaves the codes, scales and parameters of the f64 twin`,
    async (context) => {
      const gradient = spread64("gradient", count)
      const oldFirst = quantised64("first", spread64("first", count).data)
      const oldSecond = quantised64(
        "second",
        spread64("second", count).data.map((x) => x * x),
      )
      const round = ({ codes, scales }: Quantised64) => ({ codes, scales: scales.map(Math.fround) })
      const state = { parameter: normal64("parameter", [count]), first: round(oldFirst), second: round(oldSecond) }
      const parameter = uploaded64(context, state.parameter, "parameter")
      const moments = createMoments8bit(context, parameter)
      uploadMoments(context, moments, state.first, state.second)
      const trained = { parameter, gradient: uploaded64(context, gradient, "gradient"), moments }
      adamw8bit(context, createDynamicMaps(context), [trained], { step: 7, ...SETTINGS })
      adamw8bitStep(state, gradient, 7, SETTINGS)
      const [values, firstScales, secondScales] = await readback(context, [
        parameter,
        moments.firstScales,
        moments.secondScales,
      ])
      expect(relativeError(values!, state.parameter.data)).toBeLessThan(2e-6)
      expect(relativeError(firstScales!, state.first.scales)).toBeLessThan(1e-6)
      expect(relativeError(secondScales!, state.second.scales)).toBeLessThan(1e-6)
      expectSameCodes(await codesOf(context, moments.firstCodes, count), state.first.codes, "first moment")
      expectSameCodes(await codesOf(context, moments.secondCodes, count), state.second.codes, "second moment")
    },
  )
}

executingTest(
  "from zero moments three steps follow the twin, also in a block without any gradient",
  async (context) => {
    const count = 600
    const state = {
      parameter: normal64("parameter", [count]),
      first: zeroQuantised64(count),
      second: zeroQuantised64(count),
    }
    const parameter = uploaded64(context, state.parameter, "parameter")
    const moments = createMoments8bit(context, parameter)
    const maps = createDynamicMaps(context)
    for (let step = 1; step <= 3; step++) {
      const gradient = spread64(`gradient${step}`, count)
      gradient.data.fill(0, 256, 512)
      const trained = { parameter, gradient: uploaded64(context, gradient, "gradient"), moments }
      adamw8bit(context, maps, [trained], { step, ...SETTINGS })
      adamw8bitStep(state, gradient, step, SETTINGS)
    }
    const [values, scales] = await readback(context, [parameter, moments.secondScales])
    expect(relativeError(values!, state.parameter.data)).toBeLessThan(1e-5)
    expect(scales![1]).toBe(0)
  },
)

executingTest("a positive second moment is kept above 0, however small beside its block's largest", async (context) => {
  const parameter = uploaded64(context, array64([1, 1, 1]), "parameter")
  const moments = createMoments8bit(context, parameter)
  const gradient = uploaded64(context, array64([1, 1e-6, 0]), "gradient")
  adamw8bit(context, createDynamicMaps(context), [{ parameter, gradient, moments }], { step: 1, ...SETTINGS })
  expect([...(await codesOf(context, moments.secondCodes, 3))]).toEqual([255, 1, 0])
})

executingTest("a norm that is not finite changes neither parameters nor codes nor scales", async (context) => {
  const parameter = uploaded64(context, normal64("parameter", [300]), "parameter")
  const moments = createMoments8bit(context, parameter)
  const maps = createDynamicMaps(context)
  const trained = (gradient: Tensor) => [{ parameter, gradient, moments }]
  const state = async () => {
    const { firstCodes, firstScales, secondCodes, secondScales } = moments
    const values = await readback(context, [parameter, firstCodes, firstScales, secondCodes, secondScales])
    return values.map((value) => new Uint8Array(value.buffer))
  }
  adamw8bit(context, maps, trained(uploaded64(context, normal64("gradient", [300]), "gradient")), {
    step: 1,
    ...SETTINGS,
  })
  const before = await state()
  const wild = uploaded64(context, array64(Array(300).fill(1e30)), "wild")
  const clip = clipCoefficient(context, sumOfSquares(context, [wild]), 1)
  adamw8bit(context, maps, trained(wild), { step: 2, ...SETTINGS }, clip)
  expect(await state()).toEqual(before)
})

/** Logistic regression with 300 weights on 900 examples that no weights part cleanly: mean loss and gradient, in f64. */
function logisticProblem() {
  const [examples, features] = [900, 300]
  const inputs = normal64("inputs", [examples, features], { scale: 0.2, outlierEvery: 61 })
  const truth = normal64("truth", [features])
  const noise = normal64("noise", [examples], { scale: 10 })
  const product = (weights: ArrayLike<number>, n: number) => {
    let sum = 0
    for (let c = 0; c < features; c++) sum += weights[c]! * inputs.data[n * features + c]!
    return sum
  }
  const labels = Array.from({ length: examples }, (_, n) => (product(truth.data, n) + noise.data[n]! > 0 ? 1 : 0))
  return (weights: Float32Array) => {
    const gradient = new Float32Array(features)
    let loss = 0
    for (let n = 0; n < examples; n++) {
      const logit = product(weights, n)
      loss += (Math.log1p(Math.exp(-Math.abs(logit))) + Math.max(0, logit) - labels[n]! * logit) / examples
      const error = (1 / (1 + Math.exp(-logit)) - labels[n]!) / examples
      for (let c = 0; c < features; c++) gradient[c]! += error * inputs.data[n * features + c]!
    }
    return { loss, gradient }
  }
}

executingTest(
  "200 steps of logistic regression end where f32 moments end: the loss within 1e-5, weights within 1 %",
  async (context) => {
    const evaluate = logisticProblem()
    const settings = { ...SETTINGS, learningRate: 0.05, weightDecay: 0 }
    const maps = createDynamicMaps(context)
    const state = (label: string) => ({
      parameter: zeros(context, [300], `${label}.parameter`),
      gradient: zeros(context, [300], `${label}.gradient`),
    })
    const full = { ...state("full"), firstMoment: zeros(context, [300], "m"), secondMoment: zeros(context, [300], "v") }
    const small = state("small")
    const moments = createMoments8bit(context, small.parameter)
    for (let step = 1; step <= 200; step++) {
      const [fullWeights, smallWeights] = await readback(context, [full.parameter, small.parameter])
      upload(context, full.gradient, evaluate(fullWeights!).gradient)
      upload(context, small.gradient, evaluate(smallWeights!).gradient)
      adamw(context, [full], { step, ...settings })
      adamw8bit(context, maps, [{ ...small, moments }], { step, ...settings })
    }
    const [fullWeights, smallWeights] = await readback(context, [full.parameter, small.parameter])
    const [fullLoss, smallLoss] = [evaluate(fullWeights!).loss, evaluate(smallWeights!).loss]
    // From ln 2 = 0.693 to the best possible loss, which noisy labels keep at 0.383.
    expect(fullLoss).toBeLessThan(0.384)
    expect(Math.abs(smallLoss / fullLoss - 1)).toBeLessThan(1e-5)
    expect(relativeError(smallWeights!, Float64Array.from(fullWeights!))).toBeLessThan(0.01)
  },
)

executingTest("moments of another size, and step 0, are refused", (context) => {
  const maps = createDynamicMaps(context)
  const parameter = zeros(context, [300], "parameter")
  const gradient = zeros(context, [300], "gradient")
  const moments = createMoments8bit(context, zeros(context, [256], "other"))
  const step = { step: 1, ...SETTINGS }
  expect(() => adamw8bit(context, maps, [{ parameter, gradient, moments }], step)).toThrow("firstCodes")
  expect(() => adamw8bit(context, maps, [], { ...step, step: 0 })).toThrow("steps count from 1")
})
