// Tokens that are scored at once.
import { expect, test } from "vitest"
import { layerBytesPerToken, scoringTokenBudget } from "#gpu-runner/trainer/plan/scoring-budget.ts"
import { smallLlamaConfig } from "#test/reference/random-decoder.ts"

const GPU = {
  lane: "gpu",
  limits: { maxStorageBufferBindingSize: 2 ** 31 } as Parameters<typeof scoringTokenBudget>[1]["limits"],
} as const

test("scoring takes as many tokens as 1 GiB of a layer's activations hold, between 256 and 8192", () => {
  const medium = smallLlamaConfig({ hidden_size: 4096, intermediate_size: 14_336, head_dim: 128, num_hidden_layers: 2 })
  const tokens = scoringTokenBudget(medium, GPU)
  expect(tokens * layerBytesPerToken(medium)).toBeLessThanOrEqual(2 ** 30)
  expect((tokens + 1) * layerBytesPerToken(medium)).toBeGreaterThan(2 ** 30)
  expect(scoringTokenBudget({ ...medium, layerCount: 80 }, GPU)).toBe(tokens)
  expect(scoringTokenBudget(smallLlamaConfig(), GPU)).toBe(8192)
  expect(scoringTokenBudget(smallLlamaConfig(), { ...GPU, lane: "software" })).toBe(2048)
  const narrow = { ...GPU, limits: { maxStorageBufferBindingSize: 1024 } as typeof GPU.limits }
  expect(scoringTokenBudget(medium, narrow)).toBe(256)
})
