// The whole model against its f64 twin: log-probs and every gradient, full fine-tune and LoRA; packing changes nothing.
import { expect } from "vitest"
import { packRows } from "#gpu-runner/data/pack-rows.ts"
import type { TokenRow } from "#gpu-runner/data/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { backwardDecoder, forwardDecoder, scoreDecoder } from "#gpu-runner/models/decoder.ts"
import { createDecoder, type Decoder, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/packed-batch.ts"
import { adapterTensorName } from "#shared/formats/peft.ts"
import { decoderPass, loraGradients, withAdapter } from "#test/reference/decoder-backward.ts"
import { randomDecoder, weightValues } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { nullTest, softwareTest } from "../lanes.ts"
import { randomAdapter, randomRows, tinyConfig } from "./tiny.ts"

const LENGTHS = [
  [5, 7, 4],
  [1, 1, 9],
  [12, 3, 1],
] as const
const TOLERANCE = 1e-4
const RANK = 4

async function gradientsOf(context: OpContext, model: Decoder, rows: readonly TokenRow[], upstream: Float64Array) {
  model.trained!.zeroGradients()
  const scope = context.memory.openScope()
  try {
    const needs = { backward: true, embeddingGradient: model.embedding.gradient !== undefined }
    const batch = uploadBatch(context, packRows(rows), needs)
    const pass = forwardDecoder(context, model, batch)
    const dLogProbs = uploaded(context, Float32Array.from(upstream), [upstream.length], "upstream")
    backwardDecoder(context, model, batch, pass, dLogProbs)
    const [logProbs] = await readback(context, [pass.logProbs])
    const { gradient } = await model.trained!.read("gradient")
    return { logProbs: logProbs!, gradient }
  } finally {
    scope.close()
  }
}

async function scoresOf(context: OpContext, model: Decoder, rows: readonly TokenRow[]): Promise<Float32Array> {
  const scope = context.memory.openScope()
  try {
    const batch = uploadBatch(context, packRows(rows), { backward: false, embeddingGradient: false })
    const [logProbs] = await readback(context, [scoreDecoder(context, model, batch).logProbs])
    return logProbs!
  } finally {
    scope.close()
  }
}

const upstreamFor = (values: ArrayLike<number>) => Float64Array.from(values, (_, i) => Math.fround(Math.sin(i + 1)))

for (const tie_word_embeddings of [true, false]) {
  const config = tinyConfig({ tie_word_embeddings })
  const tensors = randomDecoder(config, 7, 1.5)
  const rows = randomRows(config, LENGTHS)
  const head = tie_word_embeddings ? "tied" : "untied"

  softwareTest(
    `full fine-tune, ${head} head: log-probs and every weight's gradient agree with f64`,
    async (context) => {
      const model = createDecoder(context, { config, tensors }, { positionCount: 32, train: "weights" })
      const reference = decoderPass(config, weightValues(tensors), rows)
      const upstream = upstreamFor(reference.logProbs)
      const actual = await gradientsOf(context, model, rows, upstream)
      expect(relativeError(actual.logProbs, reference.logProbs), "log-probs").toBeLessThan(TOLERANCE)
      const expected = reference.gradients(upstream)
      expect([...actual.gradient.keys()].sort()).toEqual([...expected.keys()].sort())
      for (const [name, gradient] of expected) {
        expect(relativeError(actual.gradient.get(name)!, gradient), name).toBeLessThan(TOLERANCE)
      }
      model.release()
    },
  )
}

softwareTest(
  "LoRA on all seven modules: log-probs and the gradients of every A and B agree with f64",
  async (context) => {
    const config = tinyConfig()
    const tensors = randomDecoder(config, 8, 1.5)
    const rows = randomRows(config, LENGTHS)
    const adapter = randomAdapter(config, RANK, 9)
    const model = createDecoder(context, { config, tensors }, { positionCount: 32, adapter, train: "adapter" })
    const folded = withAdapter(weightValues(tensors), {
      modules: adapter.modules,
      rank: RANK,
      scaling: adapter.scaling,
    })
    const reference = decoderPass(config, folded, rows)
    const upstream = upstreamFor(reference.logProbs)
    const actual = await gradientsOf(context, model, rows, upstream)
    expect(relativeError(actual.logProbs, reference.logProbs), "log-probs").toBeLessThan(TOLERANCE)
    const ofWeights = reference.gradients(upstream)
    expect(actual.gradient.size).toBe(2 * adapter.modules.size)
    for (const [path, module] of adapter.modules) {
      const expected = loraGradients(ofWeights.get(`${path}.weight`)!, module, RANK, adapter.scaling)
      for (const [letter, gradient] of [
        ["A", expected.a],
        ["B", expected.b],
      ] as const) {
        const name = adapterTensorName(path, letter)
        expect(relativeError(actual.gradient.get(name)!, gradient), name).toBeLessThan(TOLERANCE)
      }
    }
    model.release()
  },
)

softwareTest("packed shared-prefix log-probs equal those of each response alone, within 1e-5", async (context) => {
  const config = tinyConfig()
  const tensors = randomDecoder(config, 10, 1.5)
  const model = createDecoder(context, { config, tensors }, { positionCount: 32 })
  const rows = randomRows(config, LENGTHS)
  const packed = await scoresOf(context, model, rows)
  const alone: number[] = []
  for (const row of rows) {
    for (const chosenIds of [row.chosenIds, row.rejectedIds]) {
      alone.push(...(await scoresOf(context, model, [{ ...row, chosenIds, rejectedIds: new Uint32Array(0) }])))
    }
  }
  expect(alone.length).toBe(packed.length)
  const worst = alone.reduce((most, value, i) => Math.max(most, Math.abs(value - packed[i]!)), 0)
  expect(worst).toBeLessThan(1e-5)
  model.release()
})

softwareTest("scoring and the training forward pass give the same bits", async (context) => {
  const config = tinyConfig()
  const tensors = randomDecoder(config, 11)
  const adapter = randomAdapter(config, RANK, 12)
  const model = createDecoder(context, { config, tensors }, { positionCount: 32, adapter, train: "adapter" })
  const rows = randomRows(config, LENGTHS)
  const scored = await scoresOf(context, model, rows)
  const { logProbs } = await gradientsOf(context, model, rows, upstreamFor(scored))
  expect([...logProbs]).toEqual([...scored])
  model.release()
})

softwareTest("without its adapter the model scores as the base, bit for bit", async (context) => {
  const config = tinyConfig()
  const tensors = randomDecoder(config, 13)
  const adapter = randomAdapter(config, RANK, 14)
  const adapted = createDecoder(context, { config, tensors }, { positionCount: 32, adapter })
  const base = createDecoder(context, { config, tensors }, { positionCount: 32 })
  const rows = randomRows(config, LENGTHS)
  const expected = await scoresOf(context, base, rows)
  expect([...(await scoresOf(context, withoutAdapter(adapted), rows))]).toEqual([...expected])
  expect([...(await scoresOf(context, adapted, rows))]).not.toEqual([...expected])
  adapted.release()
  base.release()
})

softwareTest("a released model leaves no memory in use", (context) => {
  const config = tinyConfig()
  const before = context.memory.statistics().usedBytes
  const adapter = randomAdapter(config, RANK, 15)
  createDecoder(
    context,
    { config, tensors: randomDecoder(config, 16) },
    { positionCount: 32, adapter, train: "adapter" },
  ).release()
  expect(context.memory.statistics().usedBytes).toBe(before)
})

nullTest("a whole training step validates", (context) => {
  const config = tinyConfig()
  const tensors = randomDecoder(config, 17)
  const model = createDecoder(context, { config, tensors }, { positionCount: 32, train: "weights" })
  const batch = uploadBatch(context, packRows(randomRows(config, LENGTHS)), { backward: true, embeddingGradient: true })
  const pass = forwardDecoder(context, model, batch)
  backwardDecoder(context, model, batch, pass, uploaded(context, new Float32Array(25).fill(1), [25], "upstream"))
  context.recorder.submit()
  expect(pass.logProbs.shape).toEqual([25])
})
