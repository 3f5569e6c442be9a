// Compiles one variant inside an error scope.
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Kernel, KernelVariant } from "#gpu-runner/device/kernel.ts"
import { typedError } from "#gpu-runner/device/open-device.ts"

/** The typed error of compiling a kernel's variant, or undefined. */
export async function compilationError({ gpu, recorder }: OpContext, kernel: Kernel, variant: KernelVariant) {
  gpu.device.pushErrorScope("validation")
  recorder.pipelines.get(kernel, variant)
  const error = await gpu.device.popErrorScope()
  return error ? typedError(error) : undefined
}
