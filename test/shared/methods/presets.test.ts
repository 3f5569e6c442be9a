// The authors' four recipes, number by number (training_configs/*.yaml of junkangwu/alpha-DPO).
import { Result } from "effect"
import { expect, test } from "vitest"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { presets } from "#shared/methods/presets.ts"

test("the presets are the authors' recipes, number by number, and known configurations", () => {
  const shared = {
    method: "alpha-dpo",
    schedule: "cosine",
    warmupRatio: 0.1,
    epochs: 1,
    batch: 128,
    maxLength: 2048,
    loraRank: 0,
    responseIncludesHeader: true,
  }
  expect(presets).toEqual({
    "mistral-7b-instruct": { ...shared, beta: 2.5, gammaBetaRatio: 0.15, alpha: 0.05, learningRate: 6e-7 },
    "llama-3-8b-instruct": { ...shared, beta: 2.5, gammaBetaRatio: 0.6, alpha: 0.2, learningRate: 1e-6 },
    "llama-3-8b-instruct-v2": { ...shared, beta: 10, gammaBetaRatio: 0.4, alpha: 0.2, learningRate: 1e-6 },
    "gemma-2-9b-it": { ...shared, beta: 10, gammaBetaRatio: 0.4, alpha: 0.05, learningRate: 8e-7 },
  })
  for (const preset of Object.values(presets)) {
    expect(Result.getOrThrow(decodeTrainConfig(preset))).toMatchObject(preset)
  }
})
