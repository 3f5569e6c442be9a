// How much memory a card has, from what the system says of it.
import os from "node:os"
import { expect, test, vi } from "vitest"
import { machineMemoryBytes, memorySizeBytes, nvidiaMemoryBytes } from "#gpu-runner/device/memory-size.ts"

const CARDS = "NVIDIA H100 80GB HBM3, 81559\nNVIDIA T4, 15360\n"

test("the card that the adapter's description names is taken, else the only one, else none", () => {
  expect(nvidiaMemoryBytes("NVIDIA H100 80GB HBM3, NVIDIA: 550.54", CARDS)).toBe(81_559 * 2 ** 20)
  expect(nvidiaMemoryBytes("NVIDIA T4", CARDS)).toBe(15_360 * 2 ** 20)
  expect(nvidiaMemoryBytes("another name", "NVIDIA T4, 15360\n")).toBe(15_360 * 2 ** 20)
  expect(nvidiaMemoryBytes("another name", CARDS)).toBeUndefined()
  expect(nvidiaMemoryBytes("NVIDIA T4", "")).toBeUndefined()
})

test("a software adapter has the machine's memory, or a container's limit where that is less", () => {
  const total = 24 * 2 ** 30
  expect(machineMemoryBytes(total, 12 * 2 ** 30)).toBe(12 * 2 ** 30)
  // As Node tells of no limit: on Linux, and elsewhere.
  expect(machineMemoryBytes(total, 2 ** 64)).toBe(total)
  expect(machineMemoryBytes(total, 0)).toBe(total)
})

test("what the machine and this process's container say is asked for, of adapters that compute in the machine's memory alone", () => {
  const limit = vi.spyOn(process, "constrainedMemory").mockReturnValue(12_345)
  const ofAdapter = (backend: string, isFallback: boolean) =>
    memorySizeBytes({ vendor: "another", backend, description: "", isFallback })
  try {
    expect([ofAdapter("vulkan", true), ofAdapter("metal", false)]).toEqual([12_345, 12_345])
    expect([ofAdapter("null", true), ofAdapter("vulkan", false)]).toEqual([undefined, undefined])
    limit.mockReturnValue(0)
    expect(ofAdapter("vulkan", true)).toBe(os.totalmem())
  } finally {
    limit.mockRestore()
  }
})
