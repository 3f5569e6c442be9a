import { expect, test } from "vitest"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { ModelTooLarge } from "#gpu-runner/trainer/errors.ts"
import { type ScoringModel, scoreGroups } from "#gpu-runner/trainer/results/scorer.ts"
import { heldBytes } from "#shared/formats/weights/base-weights.ts"
import { randomDecoder, smallLlamaConfig } from "#test/reference/random-decoder.ts"

const config = smallLlamaConfig({ hidden_size: 64, intermediate_size: 64, head_dim: 16 })
const model = { config, tensors: randomDecoder(config, 5, 1) } as unknown as ScoringModel["model"]
const weightBytes = (kind: "stored" | "nf4") => heldBytes(config, () => "F32", kind).total

/** A card with so much memory that nine tenths of it are `budgetBytes`; it has no device that could be used. */
function card(budgetBytes: number): GpuDevice {
  return { lane: "gpu", info: { backend: "vulkan" }, memoryBytes: budgetBytes / 0.9 } as unknown as GpuDevice
}

test("a model whose weights do not fit is refused before anything is uploaded, with what would make it fit", async () => {
  const gpu = card(weightBytes("stored") - 100)
  const scoring = scoreGroups(gpu, { model, adapter: undefined }, [])
  await expect(scoring.next()).rejects.toThrow(ModelTooLarge)
  const again = scoreGroups(gpu, { model, adapter: undefined }, [])
  await expect(again.next()).rejects.toThrow(
    /weights alone need .*hold the base as bf16 \(\d+ kB\), f16 \(\d+ kB\), int8 \(67\.1 kB\) or nf4 \(42\.5 kB\) \(--base-weights/,
  )
  const packed = scoreGroups(card(weightBytes("nf4") - 100), { model, adapter: undefined, baseWeights: "nf4" }, [])
  await expect(packed.next()).rejects.toThrow(ModelTooLarge)
  // What fits goes on to the device, which this card has not.
  const fitting = scoreGroups(card(weightBytes("nf4") + 100), { model, adapter: undefined, baseWeights: "nf4" }, [])
  await expect(fitting.next()).rejects.not.toThrow(ModelTooLarge)
})
