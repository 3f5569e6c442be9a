// The memory line of a run, from sizes alone.
import { Result } from "effect"
import { describe, expect, test, vi } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice, Lane } from "#gpu-runner/device/open-device.ts"
import { NotEnoughMemory } from "#gpu-runner/trainer/errors.ts"
import { describeMemory, memoryPlan } from "#gpu-runner/trainer/plan/memory-plan.ts"
import { deviceBudgetBytes, plannedStep } from "#gpu-runner/trainer/plan/planned-step.ts"
import type { StepPlan } from "#gpu-runner/trainer/plan/step-plan.ts"
import { layerBytesPerToken, scoringTokenBudget } from "#gpu-runner/trainer/plan/token-budget.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { type DecoderConfig, decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { type Adapter, adapterModuleShapes, TARGET_MODULES } from "#shared/formats/peft/adapter.ts"
import { heldBytes } from "#shared/formats/weights/base-weights.ts"
import type { SafetensorsDtype, Tensor } from "#shared/formats/weights/tensor.ts"
import { LLAMA_3_8B, smallLlamaConfig } from "#test/reference/random-decoder.ts"

/** The sizes of Llama 3.2 1B. */
const LLAMA_1B = smallLlamaConfig({
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  vocab_size: 128_256,
  max_position_embeddings: 16_384,
  tie_word_embeddings: true,
})

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

const GPU = {
  lane: "gpu",
  limits: { maxStorageBufferBindingSize: 2 ** 31 } as Parameters<typeof scoringTokenBudget>[1]["limits"],
} as const

// A global of WebGPU, which an opened device brings along.
vi.stubGlobal("GPUBufferUsage", { STORAGE: 0x80, COPY_SRC: 0x4, COPY_DST: 0x8 })

/** An NVIDIA card as Dawn shows it. Rehearsals read nothing else of a context. */
function cardContext(): OpContext {
  const largest = 2 ** 31 - 4
  const limits = {
    maxStorageBufferBindingSize: largest,
    maxBufferSize: largest,
    maxComputeWorkgroupStorageSize: 49_152,
  }
  const info = { subgroupMinSize: 32, subgroupMaxSize: 32 }
  const gpu = { limits, info, lane: "gpu", hasSubgroups: true, features: new Set(), kernelChoices: {} }
  return {
    gpu,
    kernels: "tuned",
    precision: "mixed",
    matrixUnits: undefined,
    matrixRangeBytes: 2 ** 28,
  } as unknown as OpContext
}

const rowsOf = (count: number, length: number): TokenRow[] =>
  Array.from({ length: count }, (_, index) => {
    const third = new Uint32Array(length / 3)
    return { id: `${index}`, promptIds: third, chosenIds: third, rejectedIds: third, weight: 1 }
  })

const configOf = (input: Record<string, unknown>) => Result.getOrThrow(decodeTrainConfig(input))

/** A plan for rows of prompt, chosen and rejected of a third each. */
function planned(config: DecoderConfig, rows: readonly TokenRow[], input: Record<string, unknown>): StepPlan {
  const trained = configOf(input)
  return plannedStep(cardContext(), trained, checkpoint(config, "BF16"), {
    adapter: trained.loraRank > 0 ? sizedAdapter(config, trained.loraRank) : undefined,
    positionCount: 4096,
    hasReferenceCopy: false,
    rows,
  })
}

const STEP: StepPlan = {
  tokens: 100,
  checkpointing: false,
  keepsRowGradients: false,
  fixedBytes: 3e6,
  stepBytes: 4e6,
  budgetBytes: undefined,
}

describe("what a run's steps take", () => {
  test("on 80 GB, 16 pairs of 768 tokens of a 1B model are one micro-batch that keeps its activations", () => {
    const plan = planned(LLAMA_1B, rowsOf(64, 768), { batch: 16, deviceMemoryGb: 72 })
    expect(plan).toMatchObject({ tokens: 16 * 768, checkpointing: false, keepsRowGradients: false })
  })

  test("on 24 GB the same step is cut, and keeps each row's gradient in place of a second forward pass", () => {
    const plan = planned(LLAMA_1B, rowsOf(64, 768), { batch: 16, deviceMemoryGb: 21 })
    expect(plan).toMatchObject({ tokens: 4096, checkpointing: false, keepsRowGradients: true })
    expect(plan.fixedBytes + plan.stepBytes).toBeLessThan(21e9)
  })

  test("a method whose gradient has no direction is cut without slots, and supervised rows need none", () => {
    const of = (method: string) =>
      planned(LLAMA_1B, rowsOf(64, 768), { method, batch: 16, deviceMemoryGb: 21 }).keepsRowGradients
    expect(of("orpo")).toBe(false)
    expect(of("sft")).toBe(false)
  })

  test("activations are computed twice only where even the longest row would not fit otherwise", () => {
    const rows = rowsOf(16, 3072)
    expect(planned(LLAMA_1B, rows, { deviceMemoryGb: 8 })).toMatchObject({ tokens: 8192, checkpointing: true })
    const forbidden = () => planned(LLAMA_1B, rows, { deviceMemoryGb: 8, checkpointing: "never" })
    expect(forbidden).toThrow('set checkpointing to "auto", or hold the base in fewer bits')
    const asked = planned(LLAMA_1B, rowsOf(4, 768), { batch: 4, deviceMemoryGb: 72, checkpointing: "always" })
    expect(asked).toMatchObject({ tokens: 4 * 768, checkpointing: true })
  })

  test("Llama 3 8B with LoRA of rank 16 fits into 80 GB in bf16, and with a 4-bit base into 9 GB", () => {
    expect(planned(LLAMA_3_8B, rowsOf(32, 768), { deviceMemoryGb: 72 }).checkpointing).toBe(false)
    const small = planned(LLAMA_3_8B, rowsOf(32, 768), { baseWeights: "nf4", deviceMemoryGb: 9 })
    expect(small.fixedBytes + small.stepBytes).toBeLessThan(9e9)
  })

  test("what does not fit is refused with the length that would", () => {
    const rows = [...rowsOf(2, 768), ...rowsOf(2, 1536), ...rowsOf(2, 12_288)]
    const refused = () => planned(LLAMA_1B, rows, { deviceMemoryGb: 4.5 })
    expect(refused).toThrow(NotEnoughMemory)
    expect(refused).toThrow(
      /a micro-batch of 12288 tokens needs .* GB, .* GB of it for weights, gradients and moments, and the run may take 4.50 GB/,
    )
    expect(refused).toThrow("rows of up to 1536 tokens, prompt and responses together, would fit")
    expect(() => planned(LLAMA_1B, rows, { deviceMemoryGb: 1 })).toThrow("hold the base in fewer bits")
    const full = () => planned(LLAMA_1B, rows, { deviceMemoryGb: 1, loraRank: 0 })
    expect(full).toThrow('train an adapter (loraRank), or take optimiser "adamw-8bit", or raise deviceMemoryGb')
    const cut = { tokensPerMicroBatch: 30_000, checkpointing: "never", batch: 64, deviceMemoryGb: 9 }
    expect(() => planned(LLAMA_1B, rowsOf(64, 768), cut)).toThrow("lower tokensPerMicroBatch to 768")
  })

  test("no memory helps a tensor that cannot be bound, so none is asked for", () => {
    const rows = [...rowsOf(2, 300), ...rowsOf(1, 768)]
    const wide = smallLlamaConfig({ head_dim: 8, intermediate_size: 2 ** 20 })
    const refused = () => planned(wide, rows, { deviceMemoryGb: 1000 })
    expect(refused).toThrow(
      "a micro-batch of 768 tokens needs tensors larger than the device can bind; lower maxLength: rows of up to 300 tokens, prompt and responses together, would fit",
    )
    expect(refused).not.toThrow("deviceMemoryGb")
  })

  test("a card gives nine tenths of its memory, the machine half of its own, also to Apple's GPUs", () => {
    const budget = (lane: Lane, backend: string) =>
      deviceBudgetBytes({ lane, info: { backend } as GpuDevice["info"], memoryBytes: 100 }, configOf({}))
    expect([budget("gpu", "vulkan"), budget("gpu", "metal"), budget("software", "vulkan")]).toEqual([90, 50, 50])
  })

  test("a device that does not tell its memory gets steps of 1 GiB, or its smallest", () => {
    const plan = planned(LLAMA_1B, rowsOf(64, 768), { batch: 16 })
    expect(plan).toMatchObject({ checkpointing: true, budgetBytes: undefined })
    const small = smallLlamaConfig({ head_dim: 8 })
    expect(planned(small, rowsOf(64, 60), { batch: 16 }).stepBytes).toBeLessThan(2 ** 30)
  })

  test("given tokens are kept to", () => {
    const plan = planned(LLAMA_1B, rowsOf(64, 768), { batch: 16, deviceMemoryGb: 72, tokensPerMicroBatch: 2000 })
    expect(plan).toMatchObject({ tokens: 2000, keepsRowGradients: true })
  })
})

describe("memory plan", () => {
  test("of Llama 3 8B in nf4 with LoRA of rank 16 names what stays and what a step takes", () => {
    const options = { adapter: sizedAdapter(LLAMA_3_8B, 16), hasReferenceCopy: false }
    const step: StepPlan = { ...STEP, tokens: 768, fixedBytes: 6.7e9, stepBytes: 2e9, budgetBytes: 12e9 }
    const config = { baseWeights: "nf4", optimiser: "adamw" } as const
    const plan = memoryPlan(checkpoint(LLAMA_3_8B, "BF16"), config, options, step)
    // peft's print_trainable_parameters for Llama 3 8B, r = 16, all seven modules.
    expect(plan.trainedParameters).toBe(41_943_040)
    expect(describeMemory(plan)).toBe(
      "memory: weights 6.03 GB nf4, embedding and head bf16; adapter 671 MB with gradient and moments; " +
        "a step up to 2.00 GB for 768 tokens at once; together 8.70 GB of 12.0 GB",
    )
  })

  test("with 8-bit moments counts two bytes and a scale in place of eight, for parameters of at least 4096 elements", () => {
    const options = { adapter: sizedAdapter(LLAMA_3_8B, 16), hasReferenceCopy: false }
    const config = { baseWeights: "nf4", optimiser: "adamw-8bit" } as const
    expect(memoryPlan(checkpoint(LLAMA_3_8B, "BF16"), config, options, STEP).trainedBytes).toBe(
      41_943_040 * (8 + 2 + 8 / 256),
    )
    const small = smallLlamaConfig()
    const tiny = { adapter: sizedAdapter(small, 2), hasReferenceCopy: false }
    const plan = memoryPlan(checkpoint(small, "BF16"), config, tiny, STEP)
    expect(plan.trainedBytes).toBe(16 * plan.trainedParameters)
  })

  test("names the checkpoint's own dtype", () => {
    const config = smallLlamaConfig()
    const line = (dtype: SafetensorsDtype) => {
      const options = { adapter: sizedAdapter(config, 2), hasReferenceCopy: false }
      return describeMemory(
        memoryPlan(checkpoint(config, dtype), { baseWeights: "stored", optimiser: "adamw" }, options, STEP),
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
    const plan = memoryPlan(checkpoint(config, "BF16"), { baseWeights: "stored", optimiser: "adamw" }, options, STEP)
    expect(plan.trainedBytes).toBe(16 * weights)
    expect(plan.referenceBytes).toBe(heldBytes(config, () => "BF16", "stored").total)
    expect(describeMemory(plan)).toMatch(
      /^memory: weights \d+ kB with gradient and moments, all trained; a copy as the reference 24.0 kB; a step/,
    )
  })
})

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
