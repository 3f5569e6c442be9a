// What the families make of the config.json of published models.
import { describe, expect, it } from "vitest"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { published, ropeOf, windowsOf } from "./published-configs.ts"

describe("published models", () => {
  it("Llama 3.2: scaled rotary positions, a tied head, three ends of turn", () => {
    const config = published("Llama-3.2-1B-Instruct")
    expect(config).toMatchObject({ family: "llama", headSize: 64, tieWordEmbeddings: true, attentionScale: 1 / 8 })
    expect(config.eosTokenIds).toEqual([128_001, 128_008, 128_009])
    expect(ropeOf(config)).toEqual({
      theta: 500_000,
      scaling: {
        type: "llama3",
        factor: 32,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalMaxPositions: 8192,
      },
    })
  })

  it("Mistral: every layer slides", () => {
    expect(windowsOf(published("Mistral-7B-Instruct-v0.1"))).toEqual(Array(32).fill(4096))
    expect(windowsOf(published("Mistral-7B-Instruct-v0.1", { sliding_window: null }))).toEqual(
      Array(32).fill(undefined),
    )
    expect(windowsOf(published("Mistral-7B-Instruct-v0.1", { sliding_window: undefined }))[0]).toBe(4096)
  })

  it("Qwen 2.5: biases, and no window unless use_sliding_window says so", () => {
    const config = published("Qwen2.5-0.5B-Instruct")
    expect(config).toMatchObject({ family: "qwen2", attentionBias: true, queryKeyNorm: false, headSize: 64 })
    expect(windowsOf(config)).toEqual(Array(24).fill(undefined))
    const sliding = published("Qwen2.5-0.5B-Instruct", { use_sliding_window: true })
    expect(windowsOf(sliding)).toEqual([...Array(21).fill(undefined), 32_768, 32_768, 32_768])
  })

  it("Qwen3: norms of q and k, and heads wider than their share of the width", () => {
    const config = published("Qwen3-0.6B")
    expect(config).toMatchObject({ family: "qwen3", attentionBias: false, queryKeyNorm: true, headSize: 128 })
    expect(decoderTensorShapes(config).get("model.layers.0.self_attn.o_proj.weight")).toEqual([1024, 2048])
  })

  it("Gemma 2: four norms, caps, scaled embeddings, every other layer slides", () => {
    const config = published("gemma-2-2b-it")
    expect(config).toMatchObject({
      family: "gemma2",
      normOffset: 1,
      activation: "gelu_tanh",
      postNorms: true,
      queryKeyNorm: false,
      tieWordEmbeddings: true,
      embeddingScale: 48,
      attentionScale: 1 / 16,
      attentionSoftCap: 50,
      finalSoftCap: 30,
    })
    expect(windowsOf(config)).toEqual(Array.from({ length: 26 }, (_, i) => (i % 2 === 0 ? 4096 : undefined)))
    const uncapped = published("gemma-2-2b-it", { attn_logit_softcapping: null, final_logit_softcapping: null })
    expect(uncapped).toMatchObject({ attentionSoftCap: undefined, finalSoftCap: undefined })
  })

  it("Gemma 3: every sixth layer is full, with rotary positions of its own", () => {
    const config = published("gemma-3-1b-it")
    expect(config).toMatchObject({ family: "gemma3", normOffset: 1, postNorms: true, queryKeyNorm: true })
    expect(config).toMatchObject({ attentionSoftCap: undefined, finalSoftCap: undefined, tieWordEmbeddings: true })
    expect(config.embeddingScale).toBe(Math.sqrt(1152))
    expect(windowsOf(config)).toEqual(Array.from({ length: 26 }, (_, i) => (i % 6 === 5 ? undefined : 512)))
    const thetas = config.layers.map(({ rope }) => rope.theta)
    expect(thetas).toEqual(Array.from({ length: 26 }, (_, i) => (i % 6 === 5 ? 1_000_000 : 10_000)))
  })
})
