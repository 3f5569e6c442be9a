// Compiles kernels into pipelines, once for each variant and device.
import { GpuValidationFailed } from "./errors.ts"
import { type Kernel, type KernelVariant, kernelSource } from "./kernel.ts"
import type { GpuDevice } from "./open-device.ts"

export interface Pipeline {
  readonly id: number
  readonly pipeline: GPUComputePipeline
  readonly bindingLayout: GPUBindGroupLayout
}

export class Pipelines {
  readonly #gpu: GpuDevice
  readonly #byVariant = new Map<KernelVariant, Pipeline>()
  /** Layout of group 1: the parameters, at a dynamic offset into the uniform ring. */
  readonly paramsLayout: GPUBindGroupLayout

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu
    this.paramsLayout = gpu.device.createBindGroupLayout({
      label: "params.layout",
      entries: [
        { binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: "uniform", hasDynamicOffset: true } },
      ],
    })
  }

  /** The pipeline of a kernel's variant. Throws GpuValidationFailed if the device lacks what the variant needs. */
  get(kernel: Kernel, variant: KernelVariant): Pipeline {
    const known = this.#byVariant.get(variant)
    if (known) return known
    if (variant.needsSubgroups && !this.#gpu.hasSubgroups) {
      throw new GpuValidationFailed(`${kernel.name} was asked for with subgroups, which this adapter lacks.`)
    }
    const compiled = this.#compile(kernel, variant)
    this.#byVariant.set(variant, compiled)
    return compiled
  }

  #compile(kernel: Kernel, variant: KernelVariant): Pipeline {
    const device = this.#gpu.device
    const label = kernel.name
    const bindingLayout = device.createBindGroupLayout({
      label: `${label}.bindings`,
      entries: kernel.bindings.map((access, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: access === "read" ? "read-only-storage" : "storage" },
      })),
    })
    const module = device.createShaderModule({ label: `${label}.module`, code: kernelSource(kernel, variant) })
    const pipeline = device.createComputePipeline({
      label: `${label}.pipeline`,
      layout: device.createPipelineLayout({
        label: `${label}.layout`,
        bindGroupLayouts: [bindingLayout, this.paramsLayout],
      }),
      compute: { module, entryPoint: kernel.name, constants: { ...variant.constants } },
    })
    return { id: this.#byVariant.size, pipeline, bindingLayout }
  }
}
