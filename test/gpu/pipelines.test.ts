// Pipelines are compiled beside each other, and what is recorded behind one that is not ready keeps its order.
import { expect, vi } from "vitest"
import { closeContext, createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { GpuValidationFailed } from "#gpu-runner/device/errors.ts"
import { type Kernel, loadedKernels } from "#gpu-runner/device/kernel.ts"
import { readback, upload, uploaded } from "#gpu-runner/device/transfer.ts"
import { add, axpy, scale, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { sumOfSquares } from "#gpu-runner/ops/optimiser/reduce.ts"
import { softwareTest } from "./lanes.ts"

const vector = (context: OpContext, ...values: number[]) =>
  uploaded(context, Float32Array.from(values), [values.length], "vector")

softwareTest("all kernels of recorded work are being compiled before any of it is waited for", async ({ gpu }) => {
  const context = createContext(gpu)
  const together = vi.spyOn(gpu.device, "createComputePipelineAsync")
  const alone = vi.spyOn(gpu.device, "createComputePipeline")
  const told: number[] = []
  context.recorder.pipelines.onCompiled = (done, total) => told.push(done, total)
  const one = vector(context, 1, 2)
  const sum = add(context, one, one)
  axpy(context, 3, one, sum)
  const squares = sumOfSquares(context, [sum])
  const asked = together.mock.calls.length
  expect(asked).toBeGreaterThanOrEqual(3)
  expect((await readback(context, [squares]))[0]![0]).toBe(125)
  expect(together.mock.calls.length).toBe(asked)
  expect(alone).not.toHaveBeenCalled()
  expect(told.slice(-2)).toEqual([asked, asked])
  for (const spy of [together, alone]) spy.mockRestore()
})

softwareTest(
  "uploads, clears and copies behind a kernel that is compiled keep their order and their data",
  async ({ gpu }) => {
    const context = createContext(gpu)
    const source = vector(context, 1, 2)
    const doubled = scale(context, source, 2)
    const data = Float32Array.from([10, 20])
    upload(context, source, data)
    data.fill(99)
    const again = scale(context, source, 2)
    context.recorder.copy(again, source)
    const tripled = scale(context, source, 3)
    context.recorder.clear(source)
    const nothing = scale(context, source, 5)
    const values = await readback(context, [doubled, again, tripled, nothing])
    expect(values.map((value) => [...value])).toEqual([
      [2, 4],
      [20, 40],
      [60, 120],
      [0, 0],
    ])
  },
)

softwareTest("submitting without waiting compiles at once, and a released buffer is not mixed up", async ({ gpu }) => {
  const context = createContext(gpu)
  const one = vector(context, 1, 2)
  const kept = context.memory.withScope(() => {
    const two = add(context, one, one)
    return add(context, two, one)
  })
  const reuser = scale(context, one, 7)
  context.memory.trim()
  const values = await readback(context, [kept, reuser])
  expect(values.map((value) => [...value])).toEqual([
    [3, 6],
    [7, 14],
  ])
})

softwareTest("a kernel that cannot be compiled fails the readback that needs it", async ({ gpu }) => {
  const addKernel = loadedKernels().find(({ name }) => name === "add")!
  const broken: Kernel = { ...addKernel, params: {}, bindings: ["read"], variants: { only: {} } }
  const context = createContext(gpu)
  const one = zeros(context, [4], "one")
  const dispatch = { kernel: broken, variant: broken.variants.only!, tensors: [one], params: {}, workgroupCount: 1 }
  context.recorder.dispatch(dispatch)
  const reading = readback(context, [one])
  await expect(reading).rejects.toBeInstanceOf(GpuValidationFailed)
  await expect(reading).rejects.toThrow(/add: .*binding/)
})

softwareTest("closing a context compiles nothing, whatever was recorded", ({ gpu }) => {
  const context = createContext(gpu)
  const compiling = vi.spyOn(gpu.device, "createComputePipeline")
  const one = vector(context, 1, 2)
  context.memory.release(add(context, one, one))
  closeContext(context)
  expect(compiling).not.toHaveBeenCalled()
  compiling.mockRestore()
})
