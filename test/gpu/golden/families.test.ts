// Every decoder family against an oracle outside the engine (test/golden, itself held against transformers and peft): the engine computes
// all rows in one packed batch with shared prompts, the oracle computed each response alone.
import { expect } from "vitest"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { operandRanges } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { relativeError } from "../compare-op.ts"
import { gpuKernelsTest, gpuTest, portableTest, softwareTest } from "../lanes.ts"
import { gradientsOf } from "../models/decoder-passes.ts"
import { RECORDED_MODELS, type RecordedModel, type Recording, readRecording, report } from "./recording.ts"

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

/** 24 rows of 32 channels: embedding and head lie in 3 ranges, linear layers in 1 to 3. Rows of 40 channels are cut at multiples of 32. */
const rangeBytesOf = (name: RecordedModel) => (["mistral", "gemma2", "gemma3"].includes(name) ? 5120 : 3072)

for (const name of RECORDED_MODELS) {
  softwareTest(`${name}: weights in several buffers, trained and frozen, are the oracle's too`, async ({ gpu }) => {
    const context = createContext(gpu, "tuned", { precision: "f32", matrixRangeBytes: rangeBytesOf(name) })
    const recording = await readRecording(name)
    const model = createDecoder(context, recording.model, { positionCount: 32 })
    const rangeCounts = [model.embedding, model.head].map(({ stored }) => operandRanges(stored).length)
    const expected = rangeBytesOf(name) === 3072 ? 3 : 2
    expect(rangeCounts).toEqual([expected, expected])
    model.release()
    await checkWeights(context, recording, `${name}, ranges`)
    await checkAdapter(context, recording, `${name}, ranges`)
  })

  for (const lane of [softwareTest, portableTest, gpuKernelsTest, gpuTest]) {
    lane(`${name}: log-probs and every weight's gradient are the oracle's`, async (context) => {
      await checkWeights(context, await readRecording(name), name)
    })
    lane(`${name}: log-probs and the gradients of every A and B are the oracle's`, async (context) => {
      await checkAdapter(context, await readRecording(name), name)
    })
  }
}
