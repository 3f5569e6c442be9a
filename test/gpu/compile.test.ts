// Every kernel compiles in every variant that an op may ask for, and the lane notices when one does not.
import { expect } from "vitest"
import { GpuValidationFailed } from "#gpu-runner/device/errors.ts"
import { type Kernel, kernelNames } from "#gpu-runner/device/kernel.ts"
import { allKernels } from "./all-kernels.ts"
import { compilationError } from "./compilation-error.ts"
import { nullTest } from "./lanes.ts"

const kernels = await allKernels()

nullTest("every kernel in kernels/ is one that an op has", () => {
  expect(kernels.map(({ name }) => name)).toEqual(kernelNames.toSorted((left, right) => left.localeCompare(right)))
})

for (const kernel of kernels) {
  nullTest(`${kernel.name} compiles in all of its ${Object.keys(kernel.variants).length} variants`, async (context) => {
    for (const [name, variant] of Object.entries(kernel.variants)) {
      expect(await compilationError(context, kernel, variant), `${kernel.name}, ${name}`).toBeUndefined()
    }
  })
}

nullTest("a kernel without a module that it needs is refused, with the name that is missing", async (context) => {
  const add = kernels.find(({ name }) => name === "add")!
  const broken: Kernel = { ...add, modules: [], variants: { only: {} } }
  const error = await compilationError(context, broken, broken.variants.only!)
  expect(error).toBeInstanceOf(GpuValidationFailed)
  expect(error?.message).toContain("'Grid'")
})
