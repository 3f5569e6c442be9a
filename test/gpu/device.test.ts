// The device layer: adapters that do not exist, memory reuse, errors that surface typed, grids past 65,535.
import { expect, test, vi } from "vitest"
import { closeContext, createContext } from "#gpu-runner/device/context.ts"
import {
  DeviceLost,
  GpuValidationFailed,
  MemoryMisuse,
  NoAdapter,
  ShapeMismatch,
  TensorTooLarge,
} from "#gpu-runner/device/errors.ts"
import { sizeClassBytes } from "#gpu-runner/device/memory.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { workgroupGrid } from "#gpu-runner/device/recorder.ts"
import { rowsView } from "#gpu-runner/device/tensor.ts"
import { readback, upload, uploaded } from "#gpu-runner/device/transfer.ts"
import { add, axpy, fill, scale, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { rmsNorm } from "#gpu-runner/ops/rows/rms-norm.ts"
import { nullTest, softwareTest } from "./lanes.ts"

test.skipIf(process.platform === "darwin")(
  "a backend that this machine lacks is refused with what it needs",
  async () => {
    const opening = openDevice({ backend: "metal" })
    await expect(opening).rejects.toBeInstanceOf(NoAdapter)
    await expect(opening).rejects.toThrow('No WebGPU adapter for backend "metal". Metal needs macOS')
  },
)

softwareTest("an upload is read back bit for bit, also when its length is no multiple of anything", async (context) => {
  const values = Float32Array.from([1.5, -0, 3e-41, 3.4e38, 5])
  const [actual, again] = await readback(context, [
    uploaded(context, values, [5], "values"),
    uploaded(context, values.subarray(1, 4), [3], "part"),
  ])
  expect([...actual!].map((value) => Object.is(value, -0))).toEqual([false, true, false, false, false])
  expect(actual).toEqual(values)
  expect(again).toEqual(values.slice(1, 4))
})

softwareTest("an upload does not overtake dispatches that were recorded before it", async (context) => {
  const source = uploaded(context, Float32Array.from([1, 2, 3]), [3], "source")
  const doubled = scale(context, source, 2)
  upload(context, source, Float32Array.from([10, 20, 30]))
  const again = scale(context, source, 2)
  const [before, after] = await readback(context, [doubled, again])
  expect([...before!]).toEqual([2, 4, 6])
  expect([...after!]).toEqual([20, 40, 60])
})

softwareTest("a scope recycles its tensors and keeps those it returns", async (context) => {
  const { memory } = context
  const one = uploaded(context, Float32Array.from([1]), [1], "one")
  const round = () =>
    memory.withScope(() => {
      const two = add(context, one, one)
      return add(context, two, two)
    })
  const first = round()
  const reserved = memory.statistics().reservedBytes
  const used = memory.statistics().usedBytes
  const second = round()
  expect(memory.statistics()).toMatchObject({ usedBytes: used + first.buffer.size })
  for (let i = 0; i < 5; i++) memory.release(round())
  expect(memory.statistics().reservedBytes).toBe(reserved + 2 * first.buffer.size)
  const [left, right] = await readback(context, [first, second])
  expect([left![0], right![0]]).toEqual([4, 4])
})

softwareTest("buffers that wait for reuse are given back before more is held than may be", async ({ gpu }) => {
  const context = createContext(gpu)
  context.memory.reserveAtMost(3 * 2 ** 20)
  const kept = uploaded(context, new Float32Array(2 ** 18).fill(7), [2 ** 18], "kept")
  const released = zeros(context, [2 ** 18], "released")
  axpy(context, 1, kept, released)
  const copied = scale(context, released, 2)
  context.memory.release(released)
  expect(context.memory.statistics().reservedBytes).toBe(3 * 2 ** 20)
  const other = zeros(context, [100], "other")
  expect(context.memory.statistics().reservedBytes).toBe(2 * 2 ** 20 + other.buffer.size)
  const [values] = await readback(context, [copied])
  expect(values!.every((value) => value === 14)).toBe(true)
  closeContext(context)
})

softwareTest("memory used wrongly is refused by name", (context) => {
  const { memory } = context
  const tensor = memory.allocate([4, 64], "f32", "twice")
  const view = rowsView(tensor, 1, 2)
  expect(() => memory.release(view)).toThrow(MemoryMisuse)
  memory.release(tensor)
  expect(() => memory.release(tensor)).toThrow("tensor twice was released twice, or is a view")
  const outer = memory.openScope()
  const inner = memory.openScope()
  expect(() => outer.close()).toThrow("reverse order")
  inner.close()
  outer.close()
  expect(() => memory.allocate([2 ** 15, 2 ** 15], "f32", "huge")).toThrow(TensorTooLarge)
  expect(() => memory.allocate([2, 0], "f32", "empty")).toThrow(ShapeMismatch)
})

softwareTest("a view starts at its row, and only where WebGPU can bind it", async (context) => {
  const tensor = uploaded(
    context,
    Float32Array.from({ length: 320 }, (_, i) => i),
    [5, 64],
    "rows",
  )
  const [actual] = await readback(context, [rowsView(tensor, 3, 2)])
  expect([actual![0], actual!.at(-1)]).toEqual([192, 319])
  const narrow = zeros(context, [5, 3], "narrow")
  expect(() => rowsView(narrow, 1, 2)).toThrow("row 1 of narrow starts at byte 12, no multiple of 256")
  expect(() => rowsView(tensor, 4, 2)).toThrow("rows 4..6 are outside of rows [5,64]")
})

softwareTest("more than 65,535 workgroups cover every row exactly once", async (context) => {
  const rows = 70_001
  const one = zeros(context, [1], "one")
  fill(context, one, 1)
  const numbers = uploaded(
    context,
    Float32Array.from({ length: rows }, (_, i) => i + 1),
    [rows, 1],
    "numbers",
  )
  const [inverses] = await readback(context, [rmsNorm(context, numbers, one, { epsilon: 1e-12 }).inverseRms])
  expect(inverses!.every((value, i) => Math.abs(value * (i + 1) - 1) < 1e-5)).toBe(true)
})

softwareTest("more dispatches than one submit holds keep their order and their parameters", async (context) => {
  const sum = zeros(context, [3], "sum")
  const one = uploaded(context, Float32Array.from([1, 10, 100]), [3], "one")
  for (let i = 0; i < 1000; i++) axpy(context, i % 7, one, sum)
  const expected = Array.from({ length: 1000 }, (_, i) => i % 7).reduce((left, right) => left + right)
  const [actual] = await readback(context, [sum])
  expect([...actual!]).toEqual([expected, 10 * expected, 100 * expected])
})

softwareTest(
  "work that repeats finds its buffers and bind groups again, in whatever order they came back",
  async (context) => {
    const { memory, gpu } = context
    const one = uploaded(context, Float32Array.from([1]), [1], "one")
    const groups = vi.spyOn(gpu.device, "createBindGroup")
    const round = (isReversed: boolean) => {
      const two = add(context, one, one)
      const three = add(context, one, two)
      const sums = [two, three, add(context, two, three)]
      for (const tensor of isReversed ? sums.toReversed() : sums) memory.release(tensor)
    }
    round(true)
    round(false)
    const made = groups.mock.calls.length
    for (let i = 0; i < 4; i++) round(i % 2 === 0)
    expect(groups.mock.calls.length).toBe(made)
    groups.mockRestore()
  },
)

softwareTest("an upload submits recorded work only where that uses the same buffer", (context) => {
  const source = zeros(context, [4], "source")
  const apart = zeros(context, [4], "apart")
  context.recorder.submit()
  const submits = vi.spyOn(context.gpu.device.queue, "submit")
  scale(context, source, 2)
  upload(context, apart, new Float32Array(4))
  expect(submits).toHaveBeenCalledTimes(0)
  upload(context, source, new Float32Array(4))
  expect(submits).toHaveBeenCalledTimes(1)
  submits.mockRestore()
})

softwareTest("a readback of more than it may hold at once comes in parts, in order", async (context) => {
  const tensors = [3, 1, 5, 1, 1, 2].map((length, index) =>
    uploaded(context, new Float32Array(length).fill(index), [length], `tensor${index}`),
  )
  const values = await readback(context, tensors, 4 * 4)
  expect(values.map((part) => [...part])).toEqual([[0, 0, 0], [1], [2, 2, 2, 2, 2], [3], [4], [5, 5]])
})

softwareTest("readbacks of a step share one staging buffer, and values stay when it is used again", async (context) => {
  const [first] = await readback(context, [uploaded(context, Float32Array.from([1, 2]), [2], "first")])
  const buffers = vi.spyOn(context.gpu.device, "createBuffer")
  const second = uploaded(context, Float32Array.from([3, 4]), [2], "second")
  const made = buffers.mock.calls.length
  const [again] = await readback(context, [second])
  expect(buffers.mock.calls.length).toBe(made)
  expect([...first!, ...again!]).toEqual([1, 2, 3, 4])
  buffers.mockRestore()
})

nullTest("a closed context has given back its buffers", async () => {
  const gpu = await openDevice({ backend: "null" })
  const context = createContext(gpu)
  zeros(context, [4], "kept")
  closeContext(context)
  expect(() => {
    fill(context, context.memory.allocate([4], "f32", "late"), 1)
    context.recorder.submit()
  }).not.toThrow()
  await gpu.device.queue.onSubmittedWorkDone()
  expect(() => context.recorder.submit()).toThrow(/recorder\.params.*destroyed|destroyed.*recorder\.params/s)
  gpu.destroy()
})

nullTest("a call that WebGPU refuses surfaces as a typed error at the next submit", async () => {
  const context = createContext(await openDevice({ backend: "null" }))
  context.gpu.device.createBuffer({ label: "bad", size: 16, usage: 0 })
  expect(() => context.recorder.submit()).toThrow(GpuValidationFailed)
})

nullTest("a lost device surfaces as DeviceLost", async () => {
  const context = createContext(await openDevice({ backend: "null" }))
  context.gpu.destroy()
  expect(() => context.recorder.submit()).toThrow(DeviceLost)
  await expect(readback(context, [])).resolves.toEqual([])
})

nullTest("grids and size classes stay within their limits", () => {
  expect(workgroupGrid(65_535)).toEqual([65_535, 1])
  expect(workgroupGrid(65_536)).toEqual([32_768, 2])
  expect(() => workgroupGrid(2 ** 33)).toThrow(MemoryMisuse)
  expect([1, 256, 257, 4096, 4097, 10_000_000].map(sizeClassBytes)).toEqual([256, 256, 512, 4096, 4608, 10_485_760])
})
