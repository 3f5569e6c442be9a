// Tiny models of every family with grouped queries, their rows and their adapters: what the model and trainer tests run on.
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { type Adapter, type AdapterModule, adapterModuleShapes, TARGET_MODULES } from "#shared/formats/peft/adapter.ts"
import {
  type FamilyName,
  randomTokenIds,
  seededRandom,
  smallConfig,
  smallLlamaConfig,
} from "#test/reference/random-decoder.ts"

const TINY_SIZES = { hidden_size: 32, head_dim: 8, intermediate_size: 48, vocab_size: 61 }

/** A tiny Llama without rope scaling. */
export function tinyConfig(overrides: Record<string, unknown> = {}): DecoderConfig {
  return smallLlamaConfig({ ...TINY_SIZES, ...overrides })
}

/** A tiny model with all of its family's peculiarities; see smallConfig. Qwen3 and Gemma 3 have heads narrower than their share of the width. */
export function tinyFamilyConfig(family: FamilyName, overrides: Record<string, unknown> = {}): DecoderConfig {
  const isNarrow = family === "qwen3" || family === "gemma3"
  const heads = isNarrow ? { num_attention_heads: 2, num_key_value_heads: 1 } : {}
  return smallConfig(family, { ...TINY_SIZES, ...heads, ...overrides })
}

/** [prompt, chosen, rejected] lengths of a step's rows: one-token prompts and responses, longer and shorter rejected ones. */
export const STEP_LENGTHS = [
  [5, 7, 4],
  [1, 1, 9],
  [12, 3, 3],
  [4, 2, 1],
] as const

/** Rows of random tokens with the given [prompt, chosen, rejected] lengths. */
export function randomRows(
  config: DecoderConfig,
  lengths: readonly (readonly [number, number, number])[],
  seed = 100,
): TokenRow[] {
  return lengths.map(([prompt, chosen, rejected], index) => {
    const ids = randomTokenIds(config, prompt + chosen + rejected, seed + index)
    return {
      id: `row-${index}`,
      promptIds: ids.slice(0, prompt),
      chosenIds: ids.slice(prompt, prompt + chosen),
      rejectedIds: ids.slice(prompt + chosen),
      weight: 1,
    }
  })
}

/** An adapter with random A and B (B is not zero, so that every gradient is exercised). */
export function randomAdapter(config: DecoderConfig, rank: number, seed: number): Adapter {
  const random = seededRandom(seed)
  const uniform = (length: number) => Float32Array.from({ length }, () => 0.3 * (2 * random() - 1))
  const modules = new Map<string, AdapterModule>()
  for (const [path, shape] of adapterModuleShapes(config, TARGET_MODULES)) {
    modules.set(path, { a: uniform(rank * shape.in), b: uniform(shape.out * rank) })
  }
  const settings = {
    baseModel: "tiny",
    rank,
    alpha: 2 * rank,
    targetModules: TARGET_MODULES,
    useRankStabilisedScaling: false,
  }
  return { settings, scaling: 2, modules }
}
