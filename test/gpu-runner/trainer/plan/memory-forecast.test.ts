// The memory line of a run, from sizes alone.
import { describe, expect, test } from "vitest"
import { describeMemory, forecastMemory } from "#gpu-runner/trainer/plan/memory-forecast.ts"
import type { StepPlan } from "#gpu-runner/trainer/plan/step-plan.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { heldBytes } from "#shared/formats/weights/base-weights.ts"
import type { SafetensorsDtype } from "#shared/formats/weights/tensor.ts"
import { LLAMA_3_8B, smallLlamaConfig } from "#test/reference/random-decoder.ts"
import { checkpoint, sizedAdapter } from "./sized-model.ts"

const STEP: StepPlan = {
  tokens: 100,
  checkpointing: false,
  keepsRowGradients: false,
  fixedBytes: 3e6,
  stepBytes: 4e6,
  heldBytes: 5e6,
  budgetBytes: undefined,
}

describe("memory forecast", () => {
  test("of Llama 3 8B in nf4 with LoRA of rank 16 names what stays and what a step takes", () => {
    const options = { adapter: sizedAdapter(LLAMA_3_8B, 16), hasReferenceCopy: false }
    const step: StepPlan = { ...STEP, tokens: 768, fixedBytes: 6.7e9, stepBytes: 2e9, budgetBytes: 12e9 }
    const config = { baseWeights: "nf4", optimiser: "adamw" } as const
    const forecast = forecastMemory(checkpoint(LLAMA_3_8B, "BF16"), config, options, step)
    // peft's print_trainable_parameters for Llama 3 8B, r = 16, all seven modules.
    expect(forecast.trainedParameters).toBe(41_943_040)
    expect(describeMemory(forecast)).toBe(
      "memory: weights 6.03 GB nf4, embedding and head bf16; adapter 671 MB with gradient and moments; " +
        "a step up to 2.00 GB for 768 tokens at once; together 8.70 GB of 12.0 GB",
    )
  })

  test("with 8-bit moments counts two bytes and a scale in place of eight, for parameters of at least 4096 elements", () => {
    const options = { adapter: sizedAdapter(LLAMA_3_8B, 16), hasReferenceCopy: false }
    const config = { baseWeights: "nf4", optimiser: "adamw-8bit" } as const
    expect(forecastMemory(checkpoint(LLAMA_3_8B, "BF16"), config, options, STEP).trainedBytes).toBe(
      41_943_040 * (8 + 2 + 8 / 256),
    )
    const small = smallLlamaConfig()
    const tiny = { adapter: sizedAdapter(small, 2), hasReferenceCopy: false }
    const forecast = forecastMemory(checkpoint(small, "BF16"), config, tiny, STEP)
    expect(forecast.trainedBytes).toBe(16 * forecast.trainedParameters)
  })

  test("names the checkpoint's own dtype", () => {
    const config = smallLlamaConfig()
    const line = (dtype: SafetensorsDtype) => {
      const options = { adapter: sizedAdapter(config, 2), hasReferenceCopy: false }
      return describeMemory(
        forecastMemory(checkpoint(config, dtype), { baseWeights: "stored", optimiser: "adamw" }, options, STEP),
      )
    }
    expect(line("F16")).toContain("weights 24.0 kB f16; adapter")
    expect(line("F32")).toContain("weights 47.5 kB f32; adapter")
    expect(line("F32")).toContain("together 7.00 MB")
  })

  test("of a full fine-tune is four f32 values for every weight", () => {
    const config = smallLlamaConfig()
    let weights = 0
    for (const shape of decoderTensorShapes(config).values())
      weights += shape.reduce((size, length) => size * length, 1)
    const options = { adapter: undefined, hasReferenceCopy: true }
    const forecast = forecastMemory(
      checkpoint(config, "BF16"),
      { baseWeights: "stored", optimiser: "adamw" },
      options,
      STEP,
    )
    expect(forecast.trainedBytes).toBe(16 * weights)
    expect(forecast.referenceBytes).toBe(heldBytes(config, () => "BF16", "stored").total)
    expect(describeMemory(forecast)).toMatch(
      /^memory: weights \d+ kB with gradient and moments, all trained; a copy as the reference 24.0 kB; a step/,
    )
  })
})
