// What of a device's memory a run takes.
import { expect, test } from "vitest"
import type { GpuDevice, Lane } from "#gpu-runner/device/open-device.ts"
import { deviceBudgetBytes, fittingKinds } from "#gpu-runner/trainer/plan/device-budget.ts"
import { type BaseWeights, heldBytes } from "#shared/formats/weights/base-weights.ts"
import type { SafetensorsDtype } from "#shared/formats/weights/tensor.ts"
import { smallLlamaConfig } from "#test/reference/random-decoder.ts"

test("a card gives nine tenths of its memory, the machine half of its own, also to Apple's GPUs", () => {
  const budget = (lane: Lane, backend: string) =>
    deviceBudgetBytes({ lane, info: { backend } as GpuDevice["info"], memoryBytes: 100 }, {})
  expect([budget("gpu", "vulkan"), budget("gpu", "metal"), budget("software", "vulkan")]).toEqual([90, 50, 50])
})

test("a budget that is configured is kept to, whatever the device says", () => {
  const card = { lane: "gpu", info: { backend: "vulkan" } as GpuDevice["info"], memoryBytes: 100 } as const
  expect(deviceBudgetBytes(card, { deviceMemoryGb: 2.5 })).toBe(2.5e9)
})

test.each<[SafetensorsDtype, BaseWeights, readonly string[]]>([
  ["F32", "stored", ["bf16", "f16", "int8", "nf4"]],
  ["BF16", "f32", ["bf16", "f16", "int8", "nf4"]],
  ["BF16", "stored", ["int8", "nf4"]],
  ["F16", "stored", ["int8", "nf4"]],
  ["F32", "f16", ["int8", "nf4"]],
  ["F32", "int8", ["nf4"]],
  ["F32", "nf4", []],
])("of a base of %s held as %s, every kind that takes less is offered where it fits", (dtype, held, smaller) => {
  const config = smallLlamaConfig({ hidden_size: 64, intermediate_size: 64, head_dim: 16 })
  const bytesAs = (kind: BaseWeights) => heldBytes(config, () => dtype, kind).total
  const kinds = (mostBytes: number) => fittingKinds(bytesAs, bytesAs(held), mostBytes).map(({ kind }) => kind)
  expect(kinds(Number.POSITIVE_INFINITY)).toEqual(smaller)
  for (const kind of ["bf16", "int8", "nf4"] as const) {
    expect(kinds(bytesAs(kind))).toEqual(smaller.filter((other) => bytesAs(other as BaseWeights) <= bytesAs(kind)))
    expect(kinds(bytesAs(kind) - 1)).not.toContain(kind)
  }
})
