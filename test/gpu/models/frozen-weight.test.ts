// A base held in fewer bits against the same values in f32: log-probs and LoRA gradients are equal bit for bit, since expansion is exact
// and everything after it is the same arithmetic. What rounding itself does is the business of shared/formats/weights/quantisation.ts.
import { expect } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { forwardDecoder, hiddenDecoder } from "#gpu-runner/models/decoder.ts"
import { createDecoder, type Decoder, withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import { layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import { forwardDivergence } from "#gpu-runner/trainer/step/divergence-pass.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { BASE_WEIGHTS, type BaseWeights, heldBytes, heldKind } from "#shared/formats/weights/base-weights.ts"
import { expandMatrix, storeMatrix, UnstorableWeight } from "#shared/formats/weights/quantisation.ts"
import { asFloat32, encodeTensor, type FloatDtype, type Tensor, tensorOf } from "#shared/formats/weights/safetensors.ts"
import { FAMILY_NAMES, randomDecoder } from "#test/reference/random-decoder.ts"
import { nullTest, softwareTest } from "../lanes.ts"
import { gradientsOf, scoresOf } from "./decoder-passes.ts"
import { randomAdapter, randomRows, tinyConfig, tinyFamilyConfig } from "./tiny.ts"

const LENGTHS = [
  [5, 7, 4],
  [1, 1, 9],
] as const

type Tensors = ReadonlyMap<string, Tensor>

/** A checkpoint in another dtype. */
function converted(tensors: Tensors, dtype: FloatDtype): Tensors {
  const convert = ({ name, shape, ...rest }: Tensor) =>
    encodeTensor(name, shape, asFloat32({ name, shape, ...rest }), dtype)
  return new Map([...tensors].map(([name, tensor]) => [name, convert(tensor)]))
}

/** A checkpoint in f32 with the values that its matrices have when they are held as `baseWeights`. */
function asHeld(tensors: Tensors, baseWeights: BaseWeights): Tensors {
  const held = (tensor: Tensor): Tensor => {
    const matrix = tensor.shape.length === 2
    const values = matrix ? expandMatrix(storeMatrix(tensor, heldKind(tensor, baseWeights))) : asFloat32(tensor)
    return tensorOf(tensor.name, tensor.shape, values)
  }
  return new Map([...tensors].map(([name, tensor]) => [name, held(tensor)]))
}

/** Log-probs, LoRA gradients and the log-probs without the adapter. */
async function resultsOf(context: OpContext, config: DecoderConfig, tensors: Tensors, baseWeights: BaseWeights) {
  const rows = randomRows(config, LENGTHS)
  const adapter = randomAdapter(config, 4, 31)
  const model = createDecoder(
    context,
    { config, tensors },
    { positionCount: 32, adapter, train: "adapter", baseWeights },
  )
  try {
    const upstream = Float64Array.from({ length: 21 }, (_, i) => Math.fround(Math.sin(i + 1)))
    const { logProbs, gradient } = await gradientsOf(context, model, rows, upstream)
    return { logProbs, gradient, plain: await scoresOf(context, withoutAdapter(model), rows) }
  } finally {
    model.release()
  }
}

/** KL(reference ‖ policy) of each row and the gradient of its sum into the hidden rows; the models are released. */
async function divergenceOf(context: OpContext, policy: Decoder, reference: Decoder, rows: readonly TokenRow[]) {
  const scope = context.memory.openScope()
  try {
    const batch = uploadBatch(context, policy, layOutRows(rows), { backward: true })
    const hidden = hiddenDecoder(context, policy, batch)
    const { divergence, backward } = forwardDivergence(context, policy, reference, batch, hidden)
    const ones = uploaded(context, new Float32Array(21).fill(1), [21], "ones")
    const [values, gradient] = await readback(context, [divergence, backward(ones)])
    return { divergence: [...values!], gradient: [...gradient!] }
  } finally {
    scope.close()
    policy.release()
    if (reference.release !== policy.release) reference.release()
  }
}

type Results = Awaited<ReturnType<typeof resultsOf>>

function expectSameBits(actual: Results, expected: Results) {
  const bits = (values: Float32Array) => [...new Uint32Array(values.buffer, values.byteOffset, values.length)]
  expect(bits(actual.logProbs), "log-probs").toEqual(bits(expected.logProbs))
  expect(bits(actual.plain), "log-probs without the adapter").toEqual(bits(expected.plain))
  expect([...actual.gradient.keys()]).toEqual([...expected.gradient.keys()])
  for (const [name, gradient] of expected.gradient) {
    expect(bits(actual.gradient.get(name)!), name).toEqual(bits(gradient))
    expect(
      gradient.some((value) => value !== 0),
      `${name} has a gradient`,
    ).toBe(true)
  }
}

for (const tie_word_embeddings of [true, false]) {
  const head = tie_word_embeddings ? "tied" : "untied"
  // 72 channels: a whole block of 64 and a tail.
  const config = tinyConfig({ hidden_size: 72, tie_word_embeddings })
  const tensors = randomDecoder(config, 30, 1.5)

  softwareTest(
    `${head} head: a 16-bit checkpoint held verbatim gives the bits of the same values in f32`,
    async (context) => {
      for (const dtype of ["BF16", "F16"] as const) {
        const halves = converted(tensors, dtype)
        const exact = await resultsOf(context, config, converted(halves, "F32"), "f32")
        expectSameBits(await resultsOf(context, config, halves, "stored"), exact)
        expectSameBits(await resultsOf(context, config, halves, "f32"), exact)
      }
    },
  )

  softwareTest(
    `${head} head: a quantised base gives the bits of an f32 model with the host's expanded weights`,
    async (context) => {
      for (const kind of ["int8", "nf4"] as const) {
        const quantised = await resultsOf(context, config, tensors, kind)
        expectSameBits(quantised, await resultsOf(context, config, asHeld(tensors, kind), "f32"))
      }
    },
  )
}

for (const family of FAMILY_NAMES) {
  softwareTest(`${family}: every matrix of the family is held in nf4, biases and norms in f32`, async (context) => {
    const config = tinyFamilyConfig(family)
    const tensors = randomDecoder(config, 36, 1.5)
    const held = await resultsOf(context, config, tensors, "nf4")
    expectSameBits(held, await resultsOf(context, config, asHeld(tensors, "nf4"), "f32"))
  })
}

softwareTest("TDPO's divergence and its gradient read packed heads as f32 ones, shared or apart", async (context) => {
  const config = tinyConfig()
  const tensors = randomDecoder(config, 37, 1.5)
  const rows = randomRows(config, LENGTHS)
  const ofLora = async (given: Tensors, baseWeights: BaseWeights) => {
    const adapter = randomAdapter(config, 4, 38)
    const policy = createDecoder(context, { config, tensors: given }, { positionCount: 32, adapter, baseWeights })
    return divergenceOf(context, policy, withoutAdapter(policy), rows)
  }
  expect(await ofLora(tensors, "nf4")).toEqual(await ofLora(asHeld(tensors, "nf4"), "f32"))
  const ofWeights = async (reference: Tensors, baseWeights: BaseWeights) => {
    const policy = createDecoder(context, { config, tensors }, { positionCount: 32, train: "weights" })
    const copy = createDecoder(context, { config, tensors: reference }, { positionCount: 32, baseWeights })
    return divergenceOf(context, policy, copy, rows)
  }
  const halves = converted(tensors, "BF16")
  const packed = await ofWeights(halves, "stored")
  expect(packed).toEqual(await ofWeights(converted(halves, "F32"), "f32"))
  expect(packed.divergence.every((value) => value > 0)).toBe(true)
})

softwareTest("odd row lengths are right too, in every kind", async (context) => {
  const config = tinyConfig({ hidden_size: 33, intermediate_size: 47 })
  const tensors = randomDecoder(config, 32, 1.5)
  for (const kind of ["bf16", "f16", "int8", "nf4"] as const) {
    const held = await resultsOf(context, config, tensors, kind)
    expectSameBits(held, await resultsOf(context, config, asHeld(tensors, kind), "f32"))
  }
})

softwareTest(
  "expanded matrices are given back: a training pass of a packed base keeps what one of an f32 base keeps",
  (context) => {
    const config = tinyConfig()
    const tensors = converted(randomDecoder(config, 33), "BF16")
    const kept = (baseWeights: BaseWeights) => {
      const before = context.memory.statistics().usedBytes
      const adapter = randomAdapter(config, 4, 34)
      const model = createDecoder(
        context,
        { config, tensors },
        { positionCount: 32, adapter, train: "adapter", baseWeights },
      )
      const resident = context.memory.statistics().usedBytes
      const scope = context.memory.openScope()
      forwardDecoder(
        context,
        model,
        uploadBatch(context, model, layOutRows(randomRows(config, LENGTHS)), { backward: true }),
      )
      const pass = context.memory.statistics().usedBytes - resident
      scope.close()
      model.release()
      expect(context.memory.statistics().usedBytes).toBe(before)
      return { weights: resident - before, pass }
    }
    const [packed, plain] = [kept("stored"), kept("f32")]
    expect(packed.pass).toBe(plain.pass)
    expect(packed.weights).toBeLessThan(plain.weights)
  },
)

nullTest("the device holds what the plan foresees, up to the padding of its buffers", (context) => {
  const config = tinyConfig({
    hidden_size: 256,
    head_dim: 64,
    intermediate_size: 704,
    vocab_size: 1000,
    num_hidden_layers: 1,
  })
  const zeros = ([name, shape]: [string, readonly number[]]): [string, Tensor] => [
    name,
    tensorOf(name, shape, new Float32Array(shape.reduce((size, length) => size * length, 1))),
  ]
  const tensors = new Map([...decoderTensorShapes(config)].map(zeros))
  for (const baseWeights of BASE_WEIGHTS) {
    const before = context.memory.statistics().usedBytes
    const model = createDecoder(context, { config, tensors }, { positionCount: 16, baseWeights })
    const used = context.memory.statistics().usedBytes - before
    const ropeBytes = 16 * 64 * 4
    const planned = heldBytes(config, () => "F32", baseWeights).total + ropeBytes
    expect(used, baseWeights).toBeGreaterThanOrEqual(planned)
    expect(used / planned, baseWeights).toBeLessThan(1.125)
    model.release()
  }
})

nullTest("a checkpoint with a weight that cannot be held is refused by name, and leaves nothing behind", (context) => {
  const config = tinyConfig()
  const tensors = new Map(randomDecoder(config, 35))
  const name = "model.layers.1.mlp.down_proj.weight"
  const broken = asFloat32(tensors.get(name)!).slice()
  broken[50] = 1e5
  tensors.set(name, tensorOf(name, tensors.get(name)!.shape, broken))
  const before = context.memory.statistics().usedBytes
  const create = () => createDecoder(context, { config, tensors }, { positionCount: 8, baseWeights: "f16" })
  expect(create).toThrow(UnstorableWeight)
  expect(create).toThrow(`${name} holds 100000 at [1, 2], beyond the range of f16; hold the weights in bf16`)
  expect(context.memory.statistics().usedBytes).toBe(before)
})
