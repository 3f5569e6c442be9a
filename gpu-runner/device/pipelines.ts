// Compiles kernels into pipelines, once for each variant and device; several at a time.
import { GpuValidationFailed } from "./errors.ts"
import { type Kernel, type KernelVariant, kernelSource } from "./kernel.ts"
import type { GpuDevice } from "./open-device.ts"

export interface Pipeline {
  readonly id: number
  readonly pipeline: GPUComputePipeline
  readonly bindingLayout: GPUBindGroupLayout
}

interface Described {
  readonly descriptor: GPUComputePipelineDescriptor
  readonly bindingLayout: GPUBindGroupLayout
}

/** Told when one more pipeline has been compiled, of so many asked for until now. */
export type OnCompiled = (done: number, total: number) => void

export class Pipelines {
  readonly #gpu: GpuDevice
  readonly #byVariant = new Map<KernelVariant, Pipeline>()
  readonly #compiling = new Map<KernelVariant, Promise<void>>()
  #failure: GpuValidationFailed | undefined
  #asked = 0
  onCompiled: OnCompiled | undefined
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

  /**
   * The pipeline of a kernel's variant; undefined while it is compiled, beside others and on other threads, which the first request
   * begins. Throws GpuValidationFailed if the device lacks what the variant needs.
   */
  request(kernel: Kernel, variant: KernelVariant): Pipeline | undefined {
    const known = this.#byVariant.get(variant)
    if (!known && !this.#compiling.has(variant)) {
      const described = this.#describe(kernel, variant)
      this.#compiling.set(variant, this.#compile(kernel, variant, described))
    }
    return known
  }

  /** The pipeline of a kernel's variant, compiled now where that is not done yet. Errors: as request. */
  get(kernel: Kernel, variant: KernelVariant): Pipeline {
    const known = this.#byVariant.get(variant)
    if (known) return known
    const { descriptor, bindingLayout } = this.#describe(kernel, variant)
    return this.#keep(variant, this.#gpu.device.createComputePipeline(descriptor), bindingLayout)
  }

  /** Waits until nothing is being compiled. Errors: GpuValidationFailed, the device's. */
  async settled(): Promise<void> {
    while (this.#compiling.size > 0) await this.#gpu.wait(Promise.all(this.#compiling.values()))
    if (this.#failure) throw this.#failure
  }

  async #compile({ name }: Kernel, variant: KernelVariant, { descriptor, bindingLayout }: Described): Promise<void> {
    this.#asked++
    try {
      const pipeline = await this.#gpu.device.createComputePipelineAsync(descriptor)
      if (!this.#byVariant.has(variant)) this.#keep(variant, pipeline, bindingLayout)
    } catch (error) {
      this.#failure ??= new GpuValidationFailed(`${name}: ${error instanceof Error ? error.message : error}`)
    } finally {
      this.#compiling.delete(variant)
      this.onCompiled?.(this.#asked - this.#compiling.size, this.#asked)
    }
  }

  #keep(variant: KernelVariant, pipeline: GPUComputePipeline, bindingLayout: GPUBindGroupLayout): Pipeline {
    const kept = { id: this.#byVariant.size, pipeline, bindingLayout }
    this.#byVariant.set(variant, kept)
    return kept
  }

  #describe(kernel: Kernel, variant: KernelVariant): Described {
    if (variant.needsSubgroups && !this.#gpu.hasSubgroups) {
      throw new GpuValidationFailed(`${kernel.name} was asked for with subgroups, which this adapter lacks.`)
    }
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
    const descriptor: GPUComputePipelineDescriptor = {
      label: `${label}.pipeline`,
      layout: device.createPipelineLayout({
        label: `${label}.layout`,
        bindGroupLayouts: [bindingLayout, this.paramsLayout],
      }),
      compute: { module, entryPoint: kernel.name, constants: { ...variant.constants } },
    }
    return { descriptor, bindingLayout }
  }
}
