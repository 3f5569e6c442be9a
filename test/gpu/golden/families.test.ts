// Every decoder family against an oracle outside the engine (test/golden, itself held against transformers and peft): the engine computes
// all rows in one packed batch with shared prompts, the oracle computed each response alone.
import { expect } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { relativeError } from "../compare-op.ts"
import { gpuKernelsTest, gpuTest, portableTest, softwareTest } from "../lanes.ts"
import { gradientsOf } from "../models/decoder-passes.ts"
import { RECORDED_MODELS, type Recording, readRecording, report } from "./recording.ts"

/** Nats a token. */
const LOG_PROB_TOLERANCE = 2e-4
/** Of the tensor's largest element. */
const GRADIENT_TOLERANCE = 1e-4

/** Entropy in nats of each row of logits [R, V]. */
function entropies(logits: Float32Array, vocabularySize: number): Float64Array {
  return Float64Array.from({ length: logits.length / vocabularySize }, (_, row) => {
    const values = [...logits.subarray(row * vocabularySize, (row + 1) * vocabularySize)]
    const most = Math.max(...values)
    const total = values.reduce((sum, value) => sum + Math.exp(value - most), 0)
    return values.reduce((sum, value) => {
      const logProb = value - most - Math.log(total)
      return sum - Math.exp(logProb) * logProb
    }, 0)
  })
}

function largestDifference(actual: Float32Array, expected: Float64Array): number {
  expect(actual.length).toBe(expected.length)
  return actual.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i]!)), 0)
}

/** The largest relative error over all tensors; fails with the name of one that is beyond the tolerance, or is missing. */
function worstGradient(actual: ReadonlyMap<string, Float32Array>, recording: Recording, isLora: boolean): number {
  const expected = [...recording.gradients].filter(([name]) => name.includes(".lora_") === isLora)
  expect([...actual.keys()].sort()).toEqual(expected.map(([name]) => name).sort())
  const errors = expected.map(([name, gradient]) => {
    const error = relativeError(actual.get(name)!, Float64Array.from(gradient))
    expect(error, `gradient of ${name}`).toBeLessThan(GRADIENT_TOLERANCE)
    return error
  })
  return Math.max(...errors)
}

async function checkWeights(context: OpContext, recording: Recording, title: string) {
  const { model: folder } = recording
  const model = createDecoder(context, folder, { positionCount: 32, train: "weights" })
  const actual = await gradientsOf(context, model, recording.rows, recording.upstream)
  const logProb = largestDifference(actual.logProbs, recording.logProbs)
  expect(logProb, "log-probs").toBeLessThan(LOG_PROB_TOLERANCE)
  const entropy = largestDifference(actual.entropy, entropies(recording.logits, folder.config.vocabularySize))
  expect(entropy, "entropy of the recorded logits").toBeLessThan(LOG_PROB_TOLERANCE)
  const gradient = worstGradient(actual.gradient, recording, false)
  model.release()
  report(title, { logProb, entropy, gradient })
}

async function checkAdapter(context: OpContext, recording: Recording, title: string) {
  const { model: folder, adapter } = recording
  const model = createDecoder(context, folder, { positionCount: 32, adapter, train: "adapter" })
  const actual = await gradientsOf(context, model, recording.rows, recording.upstream)
  const logProb = largestDifference(actual.logProbs, recording.loraLogProbs)
  expect(logProb, "log-probs").toBeLessThan(LOG_PROB_TOLERANCE)
  const gradient = worstGradient(actual.gradient, recording, true)
  model.release()
  report(`${title}, LoRA`, { logProb, gradient })
}

for (const name of RECORDED_MODELS) {
  for (const lane of [softwareTest, portableTest, gpuKernelsTest, gpuTest]) {
    lane(`${name}: log-probs and every weight's gradient are the oracle's`, async (context) => {
      await checkWeights(context, await readRecording(name), name)
    })
    lane(`${name}: log-probs and the gradients of every A and B are the oracle's`, async (context) => {
      await checkAdapter(context, await readRecording(name), name)
    })
  }
}
