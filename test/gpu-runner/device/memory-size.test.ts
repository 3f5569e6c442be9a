// How much memory a card has, from what the system says of it.
import { expect, test } from "vitest"
import { nvidiaMemoryBytes } from "#gpu-runner/device/memory-size.ts"

const CARDS = "NVIDIA H100 80GB HBM3, 81559\nNVIDIA T4, 15360\n"

test("the card that the adapter's description names is taken, else the only one, else none", () => {
  expect(nvidiaMemoryBytes("NVIDIA H100 80GB HBM3, NVIDIA: 550.54", CARDS)).toBe(81_559 * 2 ** 20)
  expect(nvidiaMemoryBytes("NVIDIA T4", CARDS)).toBe(15_360 * 2 ** 20)
  expect(nvidiaMemoryBytes("another name", "NVIDIA T4, 15360\n")).toBe(15_360 * 2 ** 20)
  expect(nvidiaMemoryBytes("another name", CARDS)).toBeUndefined()
  expect(nvidiaMemoryBytes("NVIDIA T4", "")).toBeUndefined()
})
