// What of a device's memory a run takes.
import { expect, test } from "vitest"
import type { GpuDevice, Lane } from "#gpu-runner/device/open-device.ts"
import { deviceBudgetBytes } from "#gpu-runner/trainer/plan/device-budget.ts"

test("a card gives nine tenths of its memory, the machine half of its own, also to Apple's GPUs", () => {
  const budget = (lane: Lane, backend: string) =>
    deviceBudgetBytes({ lane, info: { backend } as GpuDevice["info"], memoryBytes: 100 }, {})
  expect([budget("gpu", "vulkan"), budget("gpu", "metal"), budget("software", "vulkan")]).toEqual([90, 50, 50])
})

test("a budget that is configured is kept to, whatever the device says", () => {
  const card = { lane: "gpu", info: { backend: "vulkan" } as GpuDevice["info"], memoryBytes: 100 } as const
  expect(deviceBudgetBytes(card, { deviceMemoryGb: 2.5 })).toBe(2.5e9)
})
