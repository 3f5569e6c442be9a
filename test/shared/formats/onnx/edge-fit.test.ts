// The accounting of the edge's memory, held to what ONNX Runtime's WASM build really takes.
import { describe, expect, it } from "vitest"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { edgeFit, graphBytes, MAX_GRAPH_BYTES, MAX_RUNTIME_BYTES } from "#shared/formats/onnx/edge-fit.ts"
import { GRAPH_WEIGHTS, type GraphWeights } from "#shared/formats/onnx/graph-weights.ts"
import { LLAMA_3_8B } from "#test/reference/random-decoder.ts"
import { EDGE_SHAPES } from "./edge-shapes.ts"
import { measureRuntime } from "./measure-runtime.ts"

/** What the runtime's memory has before anything is asked for. */
const LEAST_MEMORY_BYTES = 2 ** 24

const shape = (name: string) => {
  const fields = EDGE_SHAPES[name]!
  return { fields, config: parseDecoderConfig(fields) }
}

describe("the memory foreseen for a graph", () => {
  const cases: [string, GraphWeights, number][] = [
    ["5 M parameters", "f32", 700],
    ["5 M parameters", "int8", 1500],
    ["many heads", "bf16", 1500],
    ["an untied head", "int8", 300],
    ["a large vocabulary", "f16", 700],
  ]
  it.each(cases)(
    "is enough, and not half again too much: %s in %s, rows of %i tokens",
    async (name, weights, tokens) => {
      const { fields, config } = shape(name)
      const { bytes } = edgeFit({ config, weights, longestRowTokens: tokens })
      const task = { fields, weights, rowTokens: [tokens], maximumBytes: bytes }
      const { memoryBytes, fileBytes } = await measureRuntime(task)
      expect(bytes).toBeLessThan(1.5 * Math.max(LEAST_MEMORY_BYTES, memoryBytes[0]!))
      expect(Math.abs(graphBytes(config, weights) / fileBytes - 1)).toBeLessThan(0.02)
    },
  )

  it("is more than there is where a row does not run: half of it is not enough", async () => {
    const { fields, config } = shape("5 M parameters")
    const { bytes } = edgeFit({ config, weights: "f32", longestRowTokens: 2048 })
    const half = measureRuntime({ fields, weights: "f32", rowTokens: [2048], maximumBytes: bytes / 2 })
    await expect(half).rejects.toThrow("bad_alloc")
  })

  it("counts more for more of anything", () => {
    const { config } = shape("5 M parameters")
    const base = edgeFit({ config, weights: "f32", longestRowTokens: 512 }).bytes
    const more = [
      edgeFit({ config, weights: "f32", longestRowTokens: 1024 }),
      edgeFit({
        config: { ...config, layerCount: 4, layers: [...config.layers, config.layers[0]!] },
        weights: "f32",
        longestRowTokens: 512,
      }),
      edgeFit({ config: { ...config, vocabularySize: 9000 }, weights: "f32", longestRowTokens: 512 }),
    ]
    for (const { bytes } of more) expect(bytes).toBeGreaterThan(base)
    const inKinds = (["f32", "f16", "int8"] as const).map(
      (weights) => edgeFit({ config, weights, longestRowTokens: 512 }).bytes,
    )
    expect([...inKinds].sort((a, b) => b - a)).toEqual(inKinds)
  })
})

describe("whether the edge can compute a reference", () => {
  it("is said with the numbers", () => {
    const { config } = shape("many layers")
    expect(edgeFit({ config, weights: "f32", longestRowTokens: 512 })).toEqual({
      fits: true,
      why: "ONNX Runtime needs 59.3 MiB for 38.2 MiB of f32 weights and rows of 512 tokens, of 96.0 MiB",
      bytes: expect.any(Number),
    })
    expect(edgeFit({ config, weights: "f32", longestRowTokens: 4096 })).toMatchObject({
      fits: false,
      why: "ONNX Runtime needs 116.2 MiB for 38.2 MiB of f32 weights and rows of 4096 tokens, and has 96.0 MiB",
    })
    expect(edgeFit({ config: LLAMA_3_8B, weights: "int8", longestRowTokens: 64 })).toMatchObject({
      fits: false,
      why: "9077.5 MiB of int8 weights take up to 20269.8 MiB while they are opened, and an isolate has 128.0 MiB",
    })
  })

  it("never allows a file or a memory beyond the hard bounds", () => {
    for (let layers = 1; layers <= 40; layers++) {
      const config = parseDecoderConfig({ ...EDGE_SHAPES["5 M parameters"], num_hidden_layers: layers })
      for (const weights of GRAPH_WEIGHTS) {
        const { fits, bytes } = edgeFit({ config, weights, longestRowTokens: 512 })
        if (!fits) continue
        expect(graphBytes(config, weights)).toBeLessThanOrEqual(MAX_GRAPH_BYTES)
        expect(bytes).toBeLessThanOrEqual(MAX_RUNTIME_BYTES)
      }
    }
  })
})
