import { expect, test } from "vitest"
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { memoryOf } from "#gpu-runner/fleet/base-memory.ts"

const device = () => ({}) as GpuDevice
const base = (fingerprint: string, more: object = {}) =>
  ({ model: { fingerprint, config: { layerCount: 2, ...more } } as unknown as ModelFolder }) as const

test("what was computed of a base is known for this base, held and computed with alike, on this device, for what was asked", () => {
  const gpu = device()
  const asked = { prompts: [[1, 2]] }
  expect(memoryOf(gpu, base("a"), asked).known).toBeUndefined()
  memoryOf(gpu, base("a"), asked).keep("said")
  expect(memoryOf(gpu, { ...base("a"), baseWeights: "stored", precision: "mixed" }, { ...asked }).known).toBe("said")
  const others = [
    memoryOf(device(), base("a"), asked),
    memoryOf(gpu, base("b"), asked),
    memoryOf(gpu, base("a", { ropeTheta: 1e6 }), asked),
    memoryOf(gpu, { ...base("a"), baseWeights: "int8" }, asked),
    memoryOf(gpu, { ...base("a"), precision: "f32" }, asked),
    memoryOf(gpu, base("a"), { prompts: [[1, 3]] }),
  ]
  expect(others.map(({ known }) => known)).toEqual(others.map(() => undefined))
})

test("sixteen are kept, those that were used last", () => {
  const gpu = device()
  for (let index = 0; index < 16; index++) memoryOf<number>(gpu, base("a"), { index }).keep(index)
  expect(memoryOf(gpu, base("a"), { index: 0 }).known).toBe(0)
  memoryOf<number>(gpu, base("a"), { index: 16 }).keep(16)
  const known = Array.from({ length: 17 }, (_, index) => memoryOf(gpu, base("a"), { index }).known)
  expect(known).toEqual(Array.from({ length: 17 }, (_, index) => (index === 1 ? undefined : index)))
})
