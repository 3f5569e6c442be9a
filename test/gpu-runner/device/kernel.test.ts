// Kernels as they are loaded from their files.
import { afterAll, expect, test, vi } from "vitest"

// A registry that no other file of this process has loaded kernels into, nor will.
vi.resetModules()
const { kernelSource, loadedKernels, loadKernel } = await import("#gpu-runner/device/kernel.ts")
afterAll(() => void vi.resetModules())

test("a kernel has the bindings, parameters and modules that its file declares, and one variant unless it is given others", () => {
  const axpy = loadKernel("axpy")
  expect(axpy).toMatchObject({ bindings: ["read", "read_write"], modules: ["grid"], variants: { only: {} } })
  expect(Object.values(axpy.params)).toEqual(["u32", "f32", "f32"])
  expect(loadedKernels()).toEqual([axpy])
})

test("parameters and bindings may stand in a module", () => {
  const { bindings, params } = loadKernel("matmul_workgroup")
  expect(bindings).toEqual(["read", "read", "read", "read", "read", "read_write"])
  expect(Object.keys(params)).toContain("slice_depth")
})

test("a module brings the modules that it names, each once", () => {
  const softCap = loadKernel("soft_cap")
  const source = kernelSource(softCap, { modules: ["attention_score", "stable_tanh", "gelu_tanh"] })
  expect(source.match(/fn stable_tanh\(/g)).toHaveLength(1)
})

test("a kernel that another op has, and one without a file, are refused", () => {
  loadKernel("fill")
  expect(() => loadKernel("fill")).toThrow("fill.wgsl is loaded twice; export the kernel from the module that has it")
  expect(() => loadKernel("nowhere")).toThrow("there is no nowhere.wgsl in kernels/; correct the name")
})
