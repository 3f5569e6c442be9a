// The exported graph, run by ONNX Runtime's WASM backend, against the f64 oracle.
import * as ort from "onnxruntime-web"
import { beforeAll, describe, expect, it } from "vitest"
import { type DecoderConfig, InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { exportLlamaOnnx, ONNX_INPUTS, ONNX_OUTPUT } from "#shared/formats/onnx/export-llama.ts"
import { HEAD_CHUNK_ROWS } from "#shared/formats/onnx/llama-graph.ts"
import { type Tensor, tensorOf } from "#shared/formats/weights/safetensors.ts"
import { decoderTokenLogProbs } from "#test/reference/decoder.ts"
import {
  randomDecoder,
  randomTokenIds,
  smallConfig,
  smallLlamaConfig,
  weightValues,
} from "#test/reference/random-decoder.ts"

const TOLERANCE_NATS = 1e-4

beforeAll(() => {
  ort.env.wasm.numThreads = 1
  ort.env.logLevel = "error"
})

async function runGraph(model: Uint8Array, tokenIds: Uint32Array, responseStart: number): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] })
  try {
    const ids = new ort.Tensor("int64", BigInt64Array.from(tokenIds, BigInt), [tokenIds.length])
    const start = new ort.Tensor("int64", BigInt64Array.of(BigInt(responseStart)), [1])
    const results = await session.run({ [ONNX_INPUTS.inputIds]: ids, [ONNX_INPUTS.responseStart]: start })
    return results[ONNX_OUTPUT]!.data as Float32Array
  } finally {
    await session.release()
  }
}

/** Largest difference in nats between graph and oracle over all response tokens. */
async function worstError(
  config: DecoderConfig,
  tensors: Map<string, Tensor>,
  length: number,
  responseStart: number,
): Promise<number> {
  const tokenIds = randomTokenIds(config, length, length)
  const found = await runGraph(exportLlamaOnnx({ config, tensors }), tokenIds, responseStart)
  const expected = decoderTokenLogProbs(config, weightValues(tensors), tokenIds, responseStart)
  expect(found.length).toBe(length - responseStart)
  return expected.reduce((worst, value, index) => Math.max(worst, Math.abs(value - found[index]!)), 0)
}

type Field = { readonly field: number; readonly value: number | Uint8Array }

/** Splits one protobuf message into its fields; a plain reader, so that the writer is not checked by itself. */
function parseMessage(bytes: Uint8Array): Field[] {
  const fields: Field[] = []
  let position = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[position++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (position < bytes.length) {
    const key = varint()
    const wire = key % 8
    const size = wire === 5 ? 4 : wire === 2 ? varint() : 0
    const value = wire === 0 ? varint() : bytes.subarray(position, position + size)
    position += size
    fields.push({ field: Math.floor(key / 8), value })
  }
  return fields
}

function bytesOf(message: Field[], field: number): Uint8Array[] {
  return message.filter((entry) => entry.field === field).map((entry) => entry.value as Uint8Array)
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const operatorOf = (node: Field[]): string => textOf(bytesOf(node, 4)[0]!)

/** Operators of the nodes of a graph (its inner graphs left out) that take a value as input. */
function consumers(graph: Field[], value: string): string[] {
  const nodes = bytesOf(graph, 1).map(parseMessage)
  return nodes.filter((node) => bytesOf(node, 1).map(textOf).includes(value)).map(operatorOf)
}

describe("the exported ONNX graph", () => {
  const variants: [string, Record<string, unknown>][] = [
    ["an untied head and grouped queries", {}],
    ["a tied head and grouped queries", { tie_word_embeddings: true }],
    ["an untied head and one key per query", { num_key_value_heads: 4 }],
    ["a tied head and one key for all queries", { tie_word_embeddings: true, num_key_value_heads: 1 }],
    ["a head size that is not hidden size / heads", { head_dim: 10 }],
  ]
  it.each(variants)("agrees with the oracle for %s", async (_name, overrides) => {
    const config = smallLlamaConfig(overrides)
    expect(await worstError(config, randomDecoder(config, 7), 12, 5)).toBeLessThan(TOLERANCE_NATS)
  })

  const lengths: [string, number, number][] = [
    ["a response of one token after one prompt token", 2, 1],
    ["a response of one token", 9, 8],
    ["a response of exactly one chunk", 3 + HEAD_CHUNK_ROWS, 3],
    ["a response of one token more than a chunk", 4 + HEAD_CHUNK_ROWS, 3],
    ["a response of several chunks", 75, 4],
  ]
  it.each(lengths)("agrees with the oracle for %s", async (_name, length, responseStart) => {
    const config = smallLlamaConfig()
    expect(await worstError(config, randomDecoder(config, 8), length, responseStart)).toBeLessThan(TOLERANCE_NATS)
  })

  it("keeps late positions exact", async () => {
    const config = smallLlamaConfig({ num_hidden_layers: 1, max_position_embeddings: 1024 })
    expect(await worstError(config, randomDecoder(config, 9), 700, 690)).toBeLessThan(TOLERANCE_NATS)
  })

  it("stays finite and exact when logits are in the hundreds", async () => {
    const config = smallLlamaConfig()
    const tensors = randomDecoder(config, 10)
    const head = tensors.get("lm_head.weight")!
    const values = new Float32Array(head.data.slice().buffer).map((value) => value * 150)
    tensors.set(head.name, tensorOf(head.name, head.shape, values))
    const tokenIds = randomTokenIds(config, 12, 3)
    const found = await runGraph(exportLlamaOnnx({ config, tensors }), tokenIds, 4)
    const expected = decoderTokenLogProbs(config, weightValues(tensors), tokenIds, 4)
    expect(Math.min(...expected)).toBeLessThan(-200)
    for (const [index, value] of expected.entries()) {
      expect(Math.abs(found[index]! - value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(value)))
    }
  })

  it("reads F16 and BF16 weights as the numbers they stand for", async () => {
    const config = smallLlamaConfig()
    const exact = randomDecoder(config, 11)
    const stored = new Map<string, Tensor>()
    const rounded = new Map<string, Tensor>()
    for (const [name, tensor] of exact) {
      const bits = new Uint32Array(tensor.data.slice().buffer)
      const upper = Uint16Array.from(bits, (word) => word >>> 16)
      const cut = new Float32Array(Uint32Array.from(bits, (word) => word & 0xffff0000).buffer)
      stored.set(name, { ...tensor, dtype: "BF16", data: new Uint8Array(upper.buffer) })
      rounded.set(name, tensorOf(name, tensor.shape, cut))
    }
    expect(exportLlamaOnnx({ config, tensors: stored })).toEqual(exportLlamaOnnx({ config, tensors: rounded }))
  })

  it("multiplies with the head's matrix only inside the chunk loop, over a fixed number of rows", () => {
    const config = smallLlamaConfig()
    const model = parseMessage(exportLlamaOnnx({ config, tensors: randomDecoder(config, 12) }))
    const graph = parseMessage(bytesOf(model, 7)[0]!)
    expect(consumers(graph, "lm_head.weight")).toEqual(["Gather"])
    const scan = bytesOf(graph, 1)
      .map(parseMessage)
      .find((node) => operatorOf(node) === "Scan")!
    const body = parseMessage(
      bytesOf(scan, 5)
        .map(parseMessage)
        .flatMap((attribute) => bytesOf(attribute, 6))[0]!,
    )
    expect(consumers(body, "lm_head.weight")).toEqual(["Gemm"])
    const tensorType = [2, 1, 2].reduce(
      (message, field) => parseMessage(bytesOf(message, field)[0]!),
      parseMessage(bytesOf(body, 11)[0]!),
    )
    const sizes = bytesOf(tensorType, 1).map((dimension) => parseMessage(dimension)[0]!.value)
    expect(sizes).toEqual([HEAD_CHUNK_ROWS, config.hiddenSize])
  })

  it("has bytes that depend on the model alone", () => {
    const config = smallLlamaConfig()
    const first = exportLlamaOnnx({ config, tensors: randomDecoder(config, 13) })
    const second = exportLlamaOnnx({ config, tensors: new Map([...randomDecoder(config, 13)].reverse()) })
    expect(second).toEqual(first)
  })

  it("refuses weights that do not fit the config", () => {
    const config = smallLlamaConfig()
    const tensors = randomDecoder(config, 14)
    tensors.delete("model.norm.weight")
    expect(() => exportLlamaOnnx({ config, tensors })).toThrow(InvalidModel)
    expect(() => exportLlamaOnnx({ config, tensors })).toThrow("model.norm.weight is missing")
  })

  it("is refused for other families and scaled rotary positions, with the way out", () => {
    const refused = [
      [smallConfig("mistral"), 'family "mistral"'],
      [smallConfig("gemma2"), 'family "gemma2"'],
      [smallConfig("llama"), 'rope type "llama3"'],
    ] as const
    for (const [config, found] of refused) {
      const exported = () => exportLlamaOnnx({ config, tensors: randomDecoder(config, 15) })
      expect(exported).toThrow(InvalidModel)
      expect(exported).toThrow(`this model has ${found}; score this reference on the runner instead`)
    }
  })
})
