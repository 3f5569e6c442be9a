// Compiles one variant inside an error scope.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { type Kernel, type KernelVariant, kernelSource } from "#gpu-runner/device/kernel.ts"
import { typedError } from "#gpu-runner/device/open-device.ts"

/**
 * The typed error of compiling a kernel's variant, or undefined. Of a variant that takes more workgroup memory than the device has, only
 * the text is validated.
 */
export async function compilationError({ gpu, recorder }: OpContext, kernel: Kernel, variant: KernelVariant) {
  gpu.device.pushErrorScope("validation")
  if ((variant.workgroupBytes ?? 0) <= gpu.limits.maxComputeWorkgroupStorageSize)
    recorder.pipelines.get(kernel, variant)
  else gpu.device.createShaderModule({ label: kernel.name, code: kernelSource(kernel, variant) })
  const error = await gpu.device.popErrorScope()
  return error ? typedError(error) : undefined
}
