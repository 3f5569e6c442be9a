// What holds for the decoder whatever its family: any LoRA rank, dropout, hidden rows, equal bits where they are promised, memory.
// The families themselves are compared with f64 in families.test.ts.
import { expect } from "vitest"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { mixedSeed } from "#gpu-runner/models/adapter-dropout.ts"
import { backwardDecoder, forwardDecoder, hiddenDecoder, scoreHidden } from "#gpu-runner/models/decoder.ts"
import { createDecoder, type Decoder, withDropout, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import { layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import { InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { decoderPass } from "#test/reference/decoder-backward.ts"
import { dropout } from "#test/reference/dropout.ts"
import { collision } from "#test/reference/log-prob-head.ts"
import { normal64 } from "#test/reference/random.ts"
import { FAMILY_NAMES, randomDecoder, weightValues } from "#test/reference/random-decoder.ts"
import { relativeError } from "../compare-op.ts"
import { nullTest, softwareTest } from "../lanes.ts"
import { compareAdapted, LENGTHS, RANK, TOLERANCE, upstreamFor } from "./compare-adapted.ts"
import { gradientsOf, scoresOf } from "./decoder-passes.ts"
import { randomAdapter, randomRows, tinyConfig, tinyFamilyConfig } from "./tiny.ts"

for (const rank of [1, 3, 6]) {
  softwareTest(`LoRA of rank ${rank}, no multiple of 4, agrees with f64`, (context) =>
    compareAdapted(context, "gemma3", randomAdapter(tinyFamilyConfig("gemma3"), rank, 20)),
  )
}

softwareTest("LoRA on three modules only leaves the others without one", (context) => {
  const adapter = randomAdapter(tinyFamilyConfig("gemma3"), RANK, 21)
  const isTarget = (path: string) => /q_proj|o_proj|down_proj/.test(path)
  const modules = new Map([...adapter.modules].filter(([path]) => isTarget(path)))
  expect(modules.size).toBe(6)
  return compareAdapted(context, "gemma3", { ...adapter, modules })
})

softwareTest("dropout masks the input of every A with a stream of its own, forward and backward", (context) => {
  const config = tinyFamilyConfig("gemma3")
  const adapter = randomAdapter(config, RANK, 22)
  const paths = [...adapter.modules.keys()]
  const { tokenIds, predictionRows } = layOutRows(randomRows(config, LENGTHS))
  // In the last layer all but keys and values are computed for predicting tokens alone, whose rows a mask counts.
  const predicting = [...new Set(predictionRows)].sort((left, right) => left - right)
  const isOfPredicting = (path: string) => path.includes("layers.1.") && !/[kv]_proj/.test(path)
  const mask = (path: string, [tokens, columns]: readonly number[]) => {
    const rows = isOfPredicting(path) ? predicting : Array.from({ length: tokens! }, (_, row) => row)
    const seed = mixedSeed([mixedSeed([77, mixedSeed(tokenIds)]), paths.indexOf(path)])
    const ones = { shape: [rows.length, columns!], data: new Float64Array(rows.length * columns!).fill(1) }
    const { data } = dropout(ones, { rate: 0.25, seed })
    const factors = new Float64Array(tokens! * columns!)
    rows.forEach((row, place) => {
      factors.set(data.subarray(place * columns!, (place + 1) * columns!), row * columns!)
    })
    return factors
  }
  return compareAdapted(context, "gemma3", adapter, { dropout: { rate: 0.25, seed: 77 }, mask })
})

softwareTest("a gradient into the hidden rows is added to that of the log-probs", (context) => {
  const config = tinyFamilyConfig("gemma3")
  const scored = LENGTHS.reduce((sum, [, chosen, rejected]) => sum + chosen + rejected, 0)
  const dHidden = normal64("dHidden", [scored, config.hiddenSize])
  return compareAdapted(context, "gemma3", randomAdapter(config, RANK, 23), { dHidden })
})

softwareTest("a full fine-tune takes a gradient into the hidden rows too", async (context) => {
  const config = tinyFamilyConfig("gemma2")
  const tensors = randomDecoder(config, 24, 1.5)
  const rows = randomRows(config, LENGTHS)
  const model = createDecoder(context, { config, tensors }, { positionCount: 32, train: "weights" })
  const reference = decoderPass(config, weightValues(tensors), rows)
  const upstream = upstreamFor(reference.logProbs)
  const dHidden = normal64("dHidden", reference.hidden.shape)
  const actual = await gradientsOf(context, model, rows, upstream, dHidden)
  expect(relativeError(actual.hidden, reference.hidden.data), "hidden rows").toBeLessThan(TOLERANCE)
  for (const [name, gradient] of reference.gradients(upstream, dHidden)) {
    expect(relativeError(actual.gradient.get(name)!, gradient), name).toBeLessThan(TOLERANCE)
  }
  model.release()
})

softwareTest("hidden rows and collisions of a scoring pass agree with f64", async (context) => {
  const config = tinyFamilyConfig("gemma2")
  const tensors = randomDecoder(config, 25, 1.5)
  const rows = randomRows(config, LENGTHS)
  const model = createDecoder(context, { config, tensors }, { positionCount: 32 })
  const batch = uploadBatch(context, model, layOutRows(rows), { backward: false })
  const rowsBeforeHead = hiddenDecoder(context, model, batch)
  const scores = scoreHidden(context, model, batch, rowsBeforeHead)
  const [hidden, collisions] = await readback(context, [rowsBeforeHead, scores.collision])
  const reference = decoderPass(config, weightValues(tensors), rows)
  const head = Float64Array.from(weightValues(tensors).get("model.embed_tokens.weight")!)
  const table = { shape: [config.vocabularySize, config.hiddenSize], data: head }
  expect(relativeError(hidden!, reference.hidden.data)).toBeLessThan(TOLERANCE)
  const expected = collision(reference.hidden, table, config.finalSoftCap)
  expect(relativeError(collisions!, expected.data)).toBeLessThan(TOLERANCE)
  model.release()
})

for (const family of FAMILY_NAMES) {
  softwareTest(
    `${family}: scoring and the training forward pass give the same bits, with dropout too`,
    async (context) => {
      const config = tinyFamilyConfig(family)
      const adapter = randomAdapter(config, RANK, 12)
      const source = { config, tensors: randomDecoder(config, 11) }
      const model = createDecoder(context, source, { positionCount: 32, adapter, train: "adapter" })
      const rows = randomRows(config, LENGTHS)
      const plain = await scoresOf(context, model, rows)
      for (const learner of [model, withDropout(model, { rate: 0.5, seed: 3 })]) {
        const scored = await scoresOf(context, learner, rows)
        const { logProbs } = await gradientsOf(context, learner, rows, upstreamFor(scored))
        expect([...logProbs]).toEqual([...scored])
        if (learner.dropout) expect([...scored]).not.toEqual([...plain])
        else expect([...scored]).toEqual([...plain])
      }
      model.release()
    },
  )
}

softwareTest("dropout of rate 0 gives the bits of no dropout", async (context) => {
  const config = tinyConfig()
  const adapter = randomAdapter(config, RANK, 12)
  const model = createDecoder(context, { config, tensors: randomDecoder(config, 11) }, { positionCount: 32, adapter })
  const rows = randomRows(config, LENGTHS)
  const zero = await scoresOf(context, withDropout(model, { rate: 0, seed: 5 }), rows)
  expect([...zero]).toEqual([...(await scoresOf(context, model, rows))])
  model.release()
})

softwareTest("without its adapter the model scores as the base, bit for bit, biases included", async (context) => {
  const config = tinyFamilyConfig("qwen2")
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

softwareTest("a window that no row reaches gives the bits of full attention", async (context) => {
  const scored = async (sliding_window: number | null) => {
    const config = tinyFamilyConfig("mistral", { sliding_window })
    const model = createDecoder(context, { config, tensors: randomDecoder(config, 15) }, { positionCount: 32 })
    const logProbs = await scoresOf(context, model, randomRows(config, LENGTHS))
    model.release()
    return [...logProbs]
  }
  const full = await scored(null)
  expect(await scored(15)).toEqual(full)
  expect(await scored(4)).not.toEqual(full)
})

softwareTest(
  "dynamic rope scaling is the plain one up to the model's maximum, and longer rows are refused",
  async (context) => {
    const options = { max_position_embeddings: 16 }
    const plain = tinyConfig(options)
    const dynamic = tinyConfig({ ...options, rope_scaling: { type: "dynamic", factor: 2 } })
    const tensors = randomDecoder(plain, 16)
    const rows = randomRows(plain, LENGTHS)
    const scores: number[][] = []
    for (const config of [plain, dynamic]) {
      const model = createDecoder(context, { config, tensors }, { positionCount: 16 })
      scores.push([...(await scoresOf(context, model, rows))])
      model.release()
    }
    expect(scores[1]).toEqual(scores[0])
    const before = context.memory.statistics().usedBytes
    const create = () => createDecoder(context, { config: dynamic, tensors }, { positionCount: 17 })
    expect(create).toThrow(/rows of 17 tokens.*"dynamic".*set maxLength to at most 16/)
    expect(context.memory.statistics().usedBytes).toBe(before)
  },
)

softwareTest("a head size that attention cannot compute is refused before anything is uploaded", (context) => {
  const before = context.memory.statistics().usedBytes
  for (const head_dim of [6, 260]) {
    const config = tinyConfig({ head_dim })
    const create = () => createDecoder(context, { config, tensors: randomDecoder(config, 18) }, { positionCount: 32 })
    expect(create).toThrow(InvalidModel)
    expect(create).toThrow(`head_dim ${head_dim} is not supported`)
  }
  expect(context.memory.statistics().usedBytes).toBe(before)
})

softwareTest("a batch that was uploaded for a model without windows is refused by one with them", (context) => {
  const plain = tinyFamilyConfig("mistral", { sliding_window: null })
  const windowed = tinyFamilyConfig("mistral")
  const tensors = randomDecoder(plain, 17)
  const models = [plain, windowed].map((config) => createDecoder(context, { config, tensors }, { positionCount: 32 }))
  const batch = uploadBatch(context, models[0]!, layOutRows(randomRows(plain, LENGTHS)), { backward: false })
  expect(() => hiddenDecoder(context, models[1]!, batch)).toThrow("no layout for a window of 5")
  for (const model of models) model.release()
})

softwareTest("a released model leaves no memory in use", (context) => {
  const before = context.memory.statistics().usedBytes
  for (const family of FAMILY_NAMES) {
    const config = tinyFamilyConfig(family)
    const adapter = randomAdapter(config, RANK, 15)
    const source = { config, tensors: randomDecoder(config, 16) }
    createDecoder(context, source, { positionCount: 32, adapter, train: "adapter" }).release()
  }
  expect(context.memory.statistics().usedBytes).toBe(before)
})

nullTest("a whole training step of every family validates", (context) => {
  for (const family of FAMILY_NAMES) {
    const config = tinyFamilyConfig(family)
    const tensors = randomDecoder(config, 17)
    const model: Decoder = createDecoder(context, { config, tensors }, { positionCount: 32, train: "weights" })
    const batch = uploadBatch(context, model, layOutRows(randomRows(config, LENGTHS)), { backward: true })
    const pass = forwardDecoder(context, model, batch)
    backwardDecoder(context, model, batch, pass, uploaded(context, new Float32Array(25).fill(1), [25], "upstream"))
    context.recorder.submit()
    expect(pass.logProbs.shape).toEqual([25])
  }
})
