// How a run's steps are cut to fit the device, from sizes alone.
import { Result } from "effect"
import { afterAll, describe, expect, test, vi } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { NotEnoughMemory } from "#gpu-runner/trainer/errors.ts"
import { planStep, type StepPlan } from "#gpu-runner/trainer/plan/step-plan.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { SafetensorsDtype } from "#shared/formats/weights/tensor.ts"
import { LLAMA_3_8B, smallLlamaConfig } from "#test/reference/random-decoder.ts"
import { checkpoint, sizedAdapter } from "./sized-model.ts"

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

// A global of WebGPU, which an opened device brings along.
vi.stubGlobal("GPUBufferUsage", { STORAGE: 0x80, COPY_SRC: 0x4, COPY_DST: 0x8 })
afterAll(() => void vi.unstubAllGlobals())

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
function planned(
  config: DecoderConfig,
  rows: readonly TokenRow[],
  input: Record<string, unknown>,
  dtype: SafetensorsDtype = "BF16",
): StepPlan {
  const trained = configOf(input)
  return planStep(cardContext(), { batch: 32, ...trained }, checkpoint(config, dtype), {
    adapter: trained.loraRank > 0 ? sizedAdapter(config, trained.loraRank) : undefined,
    positionCount: 4096,
    hasReferenceCopy: false,
    rows,
  })
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
    expect(forbidden).toThrow('set checkpointing to "auto", or lower maxLength or loraRank')
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
    expect(() => planned(LLAMA_1B, rows, { deviceMemoryGb: 1 })).toThrow(
      "may take 1.00 GB; lower loraRank, or take a smaller base",
    )
    const full = () => planned(LLAMA_1B, rows, { deviceMemoryGb: 1, loraRank: 0 })
    expect(full).toThrow('train an adapter (loraRank), or take optimiser "adamw-8bit", or raise deviceMemoryGb')
    const cut = { tokensPerMicroBatch: 30_000, checkpointing: "never", batch: 64, deviceMemoryGb: 9 }
    expect(() => planned(LLAMA_1B, rowsOf(64, 768), cut)).toThrow("lower tokensPerMicroBatch to 768")
  })

  test("a base in f32 that does not fit may be held in 16 bits, and no smaller one is told of what is none", () => {
    const rows = rowsOf(4, 768)
    const offered = (deviceMemoryGb: number, dtype: SafetensorsDtype) => {
      const run = () => planned(LLAMA_3_8B, rows, { deviceMemoryGb }, dtype)
      try {
        return run()
      } catch (error) {
        return [...(error as Error).message.matchAll(/(bf16|f16|int8|nf4) \(/g)].map(([, kind]) => kind)
      }
    }
    expect(offered(24, "F32")).toEqual(["bf16", "f16", "int8", "nf4"])
    expect(offered(12, "F32")).toEqual(["int8", "nf4"])
    expect(offered(12, "BF16")).toEqual(["int8", "nf4"])
    expect(offered(8, "BF16")).toEqual(["nf4"])
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
