// The memory line of a run, from sizes alone.
import { describe, expect, test } from "vitest"
import { describeMemory, memoryPlan } from "#gpu-runner/trainer/memory-plan.ts"
import { activationBytesPerToken, defaultTokenBudget } from "#gpu-runner/trainer/token-budget.ts"
import { heldBytes } from "#shared/formats/base-weights.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/decoder-config.ts"
import { type Adapter, adapterModuleShapes, TARGET_MODULES } from "#shared/formats/peft.ts"
import type { SafetensorsDtype, Tensor } from "#shared/formats/tensor.ts"
import { LLAMA_3_8B, smallLlamaConfig } from "#test/reference/random-decoder.ts"

const NO_DATA = new Uint8Array(0)

/** A checkpoint of which only names, shapes and dtypes matter. */
function checkpoint(config: DecoderConfig, dtype: SafetensorsDtype) {
  const tensors = [...decoderTensorShapes(config)].map(([name, shape]): [string, Tensor] => [
    name,
    { name, dtype, shape, data: NO_DATA },
  ])
  return { config, tensors: new Map(tensors) }
}

/** An adapter whose matrices have lengths and no contents. */
function sizedAdapter(config: DecoderConfig, rank: number): Adapter {
  const length = (count: number) => ({ length: count }) as unknown as Float32Array
  const shapes = adapterModuleShapes(config, TARGET_MODULES)
  const modules = new Map(
    [...shapes].map(([path, shape]) => [path, { a: length(rank * shape.in), b: length(rank * shape.out) }]),
  )
  const settings = { baseModel: "", rank, alpha: rank, targetModules: TARGET_MODULES, useRankStabilisedScaling: false }
  return { settings, scaling: 1, modules }
}

const LIMITS = { maxStorageBufferBindingSize: 2 ** 31 } as Parameters<typeof defaultTokenBudget>[1]

/** A GPU's. */
const DEVICE = { matrixRangeBytes: 2 ** 28, logitsBytes: 2 ** 28 }

describe("memory plan", () => {
  test("of Llama 3 8B in nf4 with LoRA of rank 16 and the default token budget stays below 9.6 GB", () => {
    const tokensPerMicroBatch = defaultTokenBudget(LLAMA_3_8B, LIMITS)
    const model = checkpoint(LLAMA_3_8B, "BF16")
    const plan = memoryPlan(
      model,
      { baseWeights: "nf4", optimiser: "adamw", tokensPerMicroBatch },
      {
        adapter: sizedAdapter(LLAMA_3_8B, 16),
        hasReferenceCopy: false,
      },
      DEVICE,
    )
    // peft's print_trainable_parameters for Llama 3 8B, r = 16, all seven modules.
    expect(plan.trainedParameters).toBe(41_943_040)
    expect(plan.activationBytes).toBe(256 * 4 * 32 * (5 * 4096 + 2 * 4096 + 2 * 1024 + 3 * 14_336))
    const { activationBytes, logitsBytes, expansionBytes } = plan
    const all = plan.base!.total + plan.trainedBytes + activationBytes + logitsBytes + expansionBytes
    expect(all).toBeLessThan(9.6e9)
    expect(describeMemory(plan)).toBe(
      "memory: weights 6.03 GB nf4, embedding and head bf16; adapter 671 MB with gradient and moments; " +
        "activations up to 2.42 GB for 256 tokens at once; logits up to 131 MB; one expanded matrix up to 268 MB",
    )
  })

  test("with 8-bit moments counts two bytes and a scale in place of eight, for parameters of at least 4096 elements", () => {
    const options = { adapter: sizedAdapter(LLAMA_3_8B, 16), hasReferenceCopy: false }
    const config = { baseWeights: "nf4", optimiser: "adamw-8bit", tokensPerMicroBatch: 256 } as const
    expect(memoryPlan(checkpoint(LLAMA_3_8B, "BF16"), config, options, DEVICE).trainedBytes).toBe(
      41_943_040 * (8 + 2 + 8 / 256),
    )
    const small = smallLlamaConfig()
    const tiny = { adapter: sizedAdapter(small, 2), hasReferenceCopy: false }
    const plan = memoryPlan(checkpoint(small, "BF16"), config, tiny, DEVICE)
    expect(plan.trainedBytes).toBe(16 * plan.trainedParameters)
  })

  test("names the checkpoint's own dtype, and no expansion where nothing is packed", () => {
    const config = smallLlamaConfig()
    const line = (dtype: SafetensorsDtype) =>
      describeMemory(
        memoryPlan(
          checkpoint(config, dtype),
          { baseWeights: "stored", optimiser: "adamw", tokensPerMicroBatch: 100 },
          { adapter: sizedAdapter(config, 2), hasReferenceCopy: false },
          DEVICE,
        ),
      )
    expect(line("F16")).toContain("weights 24.0 kB f16; adapter")
    expect(line("F16")).toContain("one expanded matrix up to 5.09 kB")
    expect(line("F32")).toContain("weights 47.5 kB f32; adapter")
    expect(line("F32")).not.toContain("expanded")
  })

  test("of a full fine-tune is four f32 values for every weight", () => {
    const config = smallLlamaConfig()
    let weights = 0
    for (const shape of decoderTensorShapes(config).values())
      weights += shape.reduce((size, length) => size * length, 1)
    const plan = memoryPlan(
      checkpoint(config, "BF16"),
      { baseWeights: "stored", optimiser: "adamw", tokensPerMicroBatch: 100 },
      {
        adapter: undefined,
        hasReferenceCopy: true,
      },
      DEVICE,
    )
    expect(plan.trainedBytes).toBe(16 * weights)
    expect(plan.referenceBytes).toBe(heldBytes(config, () => "BF16", "stored").total)
    expect(describeMemory(plan)).toMatch(
      /^memory: weights \d+ kB with gradient and moments, all trained; a copy as the reference 24.0 kB; activations/,
    )
  })
})

test("the default token budget keeps activations within 1 GiB, between 256 and 8192 tokens", () => {
  const medium = smallLlamaConfig({ hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, head_dim: 64 })
  const tokens = defaultTokenBudget(medium, LIMITS)
  expect(tokens * activationBytesPerToken(medium)).toBeLessThanOrEqual(2 ** 30)
  expect((tokens + 1) * activationBytesPerToken(medium)).toBeGreaterThan(2 ** 30)
  expect(defaultTokenBudget(LLAMA_3_8B, LIMITS)).toBe(256)
  expect(defaultTokenBudget(smallLlamaConfig(), LIMITS)).toBe(8192)
})
