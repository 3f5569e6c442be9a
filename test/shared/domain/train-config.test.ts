// Decoding a training configuration: defaults, and refusals that name the key.
import { Result } from "effect"
import { describe, expect, test } from "vitest"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"

const refusal = (input: unknown) => {
  const decoded = decodeTrainConfig(input)
  return Result.isFailure(decoded) ? decoded.failure.message : "accepted"
}

test("an empty configuration is α-DPO with LoRA at its documented defaults", () => {
  const config = Result.getOrThrow(decodeTrainConfig({}))
  expect(config).toMatchObject({
    method: "alpha-dpo",
    beta: 2.5,
    gammaBetaRatio: 0.6,
    alpha: 0.2,
    loraRank: 16,
    loraAlpha: 32,
  })
  expect(config.loraTargets).toHaveLength(7)
  expect(config.learningRate).toBe(1e-5)
})

test("defaults follow the method and whether LoRA is used", () => {
  expect(Result.getOrThrow(decodeTrainConfig({ method: "dpo" })).beta).toBe(0.1)
  expect(Result.getOrThrow(decodeTrainConfig({ method: "sft", loraRank: 0 })).learningRate).toBe(2e-5)
  expect(Result.getOrThrow(decodeTrainConfig({ loraRank: 4 })).loraAlpha).toBe(8)
})

test("a frozen base is held in the checkpoint's own dtype unless it is said otherwise", () => {
  expect(Result.getOrThrow(decodeTrainConfig({})).baseWeights).toBe("stored")
  expect(Result.getOrThrow(decodeTrainConfig({ baseWeights: "nf4" })).baseWeights).toBe("nf4")
})

test("a resolved configuration decodes to itself", () => {
  const config = Result.getOrThrow(decodeTrainConfig({ method: "simpo", seed: 9 }))
  expect(Result.getOrThrow(decodeTrainConfig(config))).toEqual(config)
})

describe("refused by name", () => {
  test("an unknown key, with the known ones listed", () => {
    expect(refusal({ betta: 1 })).toMatch(/unknown key \["betta"\].*known keys: method, beta, gammaBetaRatio/)
  })

  test.each([
    [{ method: "ppo" }, /\["method"\]/],
    [{ beta: 0 }, /\["beta"\]/],
    [{ labelSmoothing: 0.5 }, /\["labelSmoothing"\]/],
    [{ learningRate: Number.NaN }, /\["learningRate"\]/],
    [{ batch: 1.5 }, /\["batch"\]/],
    [{ loraTargets: ["lm_head"] }, /\["loraTargets"\]/],
    [{ overflow: "cut" }, /\["overflow"\]/],
    [{ baseWeights: "fp4" }, /\["baseWeights"\]/],
  ])("%o", (input, message) => {
    expect(refusal(input)).toMatch(message)
  })

  test("a base of fewer bits where all weights are trained", () => {
    for (const baseWeights of ["bf16", "f16", "int8", "nf4"]) {
      expect(refusal({ loraRank: 0, baseWeights })).toBe(
        `baseWeights ${baseWeights} holds a frozen base, and loraRank 0 trains all weights in f32; set loraRank, or leave baseWeights out`,
      )
    }
    expect(refusal({ loraRank: 0, baseWeights: "f32" })).toBe("accepted")
    expect(refusal({ loraRank: 0 })).toBe("accepted")
  })

  test("a β of the other reduction, unless it is allowed", () => {
    expect(refusal({ method: "dpo", beta: 2.5 })).toMatch(/reduces log-probs by sum/)
    expect(refusal({ beta: 0.1 })).toMatch(/reduces log-probs by mean/)
    expect(refusal({ beta: 0.1, allowUnusualBeta: true })).toBe("accepted")
    expect(refusal({ method: "sft", beta: 0.1 })).toBe("accepted")
  })
})
