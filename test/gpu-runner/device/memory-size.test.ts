// How much memory a card has, from what the system says of it.
import { expect, test } from "vitest"
import { machineMemoryBytes, nvidiaMemoryBytes } from "#gpu-runner/device/memory-size.ts"

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
