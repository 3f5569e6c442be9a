// A tiny Llama with grouped queries, its rows and its adapter: what the model and trainer tests run on.
import type { TokenRow } from "#gpu-runner/data/token-rows.ts"
import type { DecoderConfig } from "#shared/formats/decoder-config.ts"
import { type Adapter, type AdapterModule, adapterModuleShapes, TARGET_MODULES } from "#shared/formats/peft.ts"
import { randomTokenIds, seededRandom, smallLlamaConfig } from "#test/reference/random-decoder.ts"

export function tinyConfig(overrides: Record<string, unknown> = {}): DecoderConfig {
  return smallLlamaConfig({ hidden_size: 32, head_dim: 8, intermediate_size: 48, vocab_size: 61, ...overrides })
}

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
