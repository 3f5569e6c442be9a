// The exported graph, run by ONNX Runtime's WASM backend, against the f64 oracle.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type DecoderConfig, InvalidModel } from "#shared/formats/families/decoder-config.ts"
import { QUERY_BLOCK_ROWS } from "#shared/formats/onnx/attention-graph.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { graphAlone, NOTES_BYTES, notesOf } from "#shared/formats/onnx/graph-file.ts"
import { GRAPH_WEIGHTS, type GraphWeights } from "#shared/formats/onnx/graph-weights.ts"
import { VOCABULARY_CHUNK } from "#shared/formats/onnx/head-graph.ts"
import { heldKind } from "#shared/formats/weights/base-weights.ts"
import { expandMatrix, storeMatrix } from "#shared/formats/weights/quantisation.ts"
import { asFloat32, encodeTensor, type Tensor, tensorOf } from "#shared/formats/weights/tensor.ts"
import { type DecoderWeights, decoderTokenLogProbs } from "#test/reference/decoder.ts"
import {
  FAMILY_NAMES,
  randomDecoder,
  randomTokenIds,
  smallConfig,
  smallLlamaConfig,
  weightValues,
} from "#test/reference/random-decoder.ts"
import { runGraph } from "./run-graph.ts"

const TOLERANCE_NATS = 1e-4

/** Largest difference in nats between graph and oracle over all response tokens. */
async function worstError(
  config: DecoderConfig,
  tensors: Map<string, Tensor>,
  length: number,
  responseStart: number,
): Promise<number> {
  const tokenIds = randomTokenIds(config, length, length)
  const found = await runGraph(exportOnnxGraph({ config, tensors }), tokenIds, responseStart)
  const expected = decoderTokenLogProbs(config, weightValues(tensors), tokenIds, responseStart)
  expect(found.length).toBe(length - responseStart)
  return expected.reduce((worst, value, index) => Math.max(worst, Math.abs(value - found[index]!)), 0)
}

/** The weights as they are held in few bits, widened again. */
function heldValues(tensors: ReadonlyMap<string, Tensor>, held: GraphWeights): DecoderWeights {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const kind = heldKind(tensor, held)
      return [name, tensor.shape.length === 1 ? asFloat32(tensor) : expandMatrix(storeMatrix(tensor, kind))]
    }),
  )
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
    ["a row of exactly one block of queries", QUERY_BLOCK_ROWS, 3],
    ["a row of one token more than a block", QUERY_BLOCK_ROWS + 1, 3],
    ["a row of several blocks", 2 * QUERY_BLOCK_ROWS + 11, 4],
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
    const found = await runGraph(exportOnnxGraph({ config, tensors }), tokenIds, 4)
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
    expect(exportOnnxGraph({ config, tensors: stored })).toEqual(exportOnnxGraph({ config, tensors: rounded }))
  })

  it.each([
    ["smaller than a chunk", VOCABULARY_CHUNK - 1],
    ["of exactly one chunk", VOCABULARY_CHUNK],
    ["of one entry more than two chunks", 2 * VOCABULARY_CHUNK + 1],
  ])("agrees with the oracle for a vocabulary %s", async (_name, vocabularySize) => {
    const config = smallLlamaConfig({ vocab_size: vocabularySize })
    expect(await worstError(config, randomDecoder(config, 16), 8, 3)).toBeLessThan(TOLERANCE_NATS)
  })

  it.each(FAMILY_NAMES)("agrees with the oracle for %s, with every peculiarity of the family", async (family) => {
    const config = smallConfig(family)
    expect(await worstError(config, randomDecoder(config, 17), 40, 5)).toBeLessThan(TOLERANCE_NATS)
  })

  it("agrees with the oracle for any family, sizes and weights", async () => {
    const cases = fc.record({
      family: fc.constantFrom(...FAMILY_NAMES),
      keyValueHeads: fc.constantFrom(1, 2, 4),
      headSize: fc.constantFrom(2, 6, 10),
      tie: fc.boolean(),
      seed: fc.nat(1e6),
      length: fc.integer({ min: 2, max: 30 }),
    })
    const property = fc.asyncProperty(cases, async ({ family, keyValueHeads, headSize, tie, seed, length }) => {
      const fields = { num_key_value_heads: keyValueHeads, head_dim: headSize, tie_word_embeddings: tie }
      const config = smallConfig(family, fields)
      const error = await worstError(config, randomDecoder(config, seed), length, 1 + (seed % (length - 1)))
      expect(error).toBeLessThan(TOLERANCE_NATS)
    })
    await fc.assert(property, { numRuns: 20 })
  })

  it.each(GRAPH_WEIGHTS)("held in %s computes what the same weights give in f64", async (held) => {
    const config = smallConfig("qwen2", { hidden_size: 84, intermediate_size: 70, head_dim: 10 })
    const tensors = randomDecoder(config, 18)
    const tokenIds = randomTokenIds(config, 30, 4)
    const found = await runGraph(exportOnnxGraph({ config, tensors }, held), tokenIds, 3)
    const expected = decoderTokenLogProbs(config, heldValues(tensors, held), tokenIds, 3)
    for (const [index, value] of expected.entries())
      expect(Math.abs(found[index]! - value)).toBeLessThan(TOLERANCE_NATS)
  })

  it("reads the head's matrix only at the targets' rows, and in ranges inside the loop over the vocabulary", () => {
    const config = smallLlamaConfig()
    const model = parseMessage(graphAlone(exportOnnxGraph({ config, tensors: randomDecoder(config, 12) })))
    const graph = parseMessage(bytesOf(model, 7)[0]!)
    expect(consumers(graph, "lm_head.weight")).toEqual(["Gather"])
    const bodies = bytesOf(graph, 1)
      .map(parseMessage)
      .filter((node) => operatorOf(node) === "Scan")
      .flatMap((node) => bytesOf(node, 5).map(parseMessage))
      .flatMap((attribute) => bytesOf(attribute, 6).map(parseMessage))
    expect(bodies).toHaveLength(config.layerCount + 1)
    expect(bodies.flatMap((body) => consumers(body, "lm_head.weight"))).toEqual(["Slice"])
  })

  it("has every weight behind the graph, where it is read from", () => {
    const config = smallLlamaConfig()
    const tensors = randomDecoder(config, 12)
    const file = exportOnnxGraph({ config, tensors })
    const graph = parseMessage(bytesOf(parseMessage(graphAlone(file)), 7)[0]!)
    const places = new Map(
      bytesOf(graph, 5).flatMap((tensor) => {
        const [name] = bytesOf(parseMessage(tensor), 8)
        const entries = bytesOf(parseMessage(tensor), 13).map(
          (entry) => bytesOf(parseMessage(entry), 2).map(textOf)[0]!,
        )
        return entries.length === 0 ? [] : [[textOf(name!), entries] as const]
      }),
    )
    expect([...places.keys()].sort()).toEqual([...tensors.keys()].sort())
    for (const [name, [location, offset, length]] of places) {
      expect(location).toBe("model.onnx")
      const found = file.subarray(Number(offset), Number(offset) + Number(length))
      expect(found, name).toEqual(tensors.get(name)!.data)
    }
    expect(graphAlone(file).length).toBeLessThan(20_000)
  })

  it("says at its beginning how it holds its weights, and whether they are the checkpoint's own", () => {
    const config = smallLlamaConfig()
    const tensors = randomDecoder(config, 19)
    const halved = new Map(
      [...tensors].map(([name, tensor]) => [name, encodeTensor(name, tensor.shape, asFloat32(tensor), "BF16")]),
    )
    const notes = (from: ReadonlyMap<string, Tensor>, held: GraphWeights) =>
      notesOf(exportOnnxGraph({ config, tensors: from }, held).slice(0, NOTES_BYTES))
    for (const held of GRAPH_WEIGHTS) expect(notes(tensors, held)).toEqual({ weights: held, precision: held })
    expect(notes(halved, "bf16")).toEqual({ weights: "bf16", precision: "f32" })
    expect(notes(halved, "f32")).toEqual({ weights: "f32", precision: "f32" })
    expect(notes(halved, "f16")).toEqual({ weights: "f16", precision: "f16" })
    for (const bytes of [new Uint8Array(0), new Uint8Array(64).fill(255), Uint8Array.of(114, 200)])
      expect(notesOf(bytes)).toEqual({ weights: "f32", precision: "f32" })
  })

  it("is told from a file without weights behind it, and from bytes that are none", () => {
    const whole = graphAlone(
      exportOnnxGraph({ config: smallLlamaConfig(), tensors: randomDecoder(smallLlamaConfig(), 12) }),
    )
    expect(graphAlone(whole)).toBe(whole)
    for (const bytes of [new Uint8Array(0), new Uint8Array(64).fill(255), Uint8Array.of(8), Uint8Array.of(58, 200)])
      expect(graphAlone(bytes)).toBe(bytes)
  })

  it("has bytes that depend on the model alone", () => {
    const config = smallLlamaConfig()
    const first = exportOnnxGraph({ config, tensors: randomDecoder(config, 13) })
    const second = exportOnnxGraph({ config, tensors: new Map([...randomDecoder(config, 13)].reverse()) })
    expect(second).toEqual(first)
  })

  it("refuses weights that do not fit the config", () => {
    const config = smallLlamaConfig()
    const tensors = randomDecoder(config, 14)
    tensors.delete("model.norm.weight")
    expect(() => exportOnnxGraph({ config, tensors })).toThrow(InvalidModel)
    expect(() => exportOnnxGraph({ config, tensors })).toThrow("model.norm.weight is missing")
  })
})
