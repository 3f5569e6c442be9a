// Bind groups of dispatches, kept by pipeline and buffers: making one costs more than all else of a dispatch. Also knows which
// buffers the work that is recorded and not yet submitted uses.
import type { Kernel } from "./kernel.ts"
import type { GpuDevice } from "./open-device.ts"
import type { Pipeline } from "./pipelines.ts"
import type { Tensor } from "./tensor.ts"

const MOST_KEPT = 16_384

interface KnownBuffer {
  readonly id: number
  /** The submission that used it last. */
  submission: number
}

export class BindGroups {
  readonly #gpu: GpuDevice
  readonly #kept = new Map<string, GPUBindGroup>()
  readonly #buffers = new WeakMap<GPUBuffer, KnownBuffer>()
  #bufferCount = 0
  #submission = 0

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu
  }

  /** The group of a dispatch's tensors, one for each binding of the kernel; they are in use until the next submission. */
  get(pipeline: Pipeline, kernel: Kernel, tensors: readonly Tensor[]): GPUBindGroup {
    if (tensors.length !== kernel.bindings.length) {
      throw new TypeError(`${kernel.name} has ${kernel.bindings.length} bindings, got ${tensors.length} tensors`)
    }
    let key = `${pipeline.id}`
    for (const { buffer, byteOffset } of tensors) {
      const id = this.use(buffer)
      key += byteOffset === 0 ? `|${id}` : `|${id}+${byteOffset}`
    }
    const known = this.#kept.get(key)
    if (known) return known
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear()
    const bindGroup = this.#gpu.device.createBindGroup({
      label: `${kernel.name}.bindings`,
      layout: pipeline.bindingLayout,
      entries: tensors.map((tensor, binding) => ({ binding, resource: this.#resource(tensor) })),
    })
    this.#kept.set(key, bindGroup)
    return bindGroup
  }

  /** Marks a buffer as used by what is being recorded; returns its number. */
  use(buffer: GPUBuffer): number {
    let known = this.#buffers.get(buffer)
    if (known === undefined) {
      known = { id: this.#bufferCount++, submission: this.#submission }
      this.#buffers.set(buffer, known)
    }
    known.submission = this.#submission
    return known.id
  }

  /** Whether work that is recorded and not yet submitted uses the buffer. */
  isInUse(buffer: GPUBuffer): boolean {
    return this.#buffers.get(buffer)?.submission === this.#submission
  }

  /** What was recorded has been submitted. */
  submitted(): void {
    this.#submission++
  }

  /** Forgets all groups, which keep their buffers alive. */
  forget(): void {
    this.#kept.clear()
  }

  // The whole rest of the buffer is bound, not only the tensor: then tensors of different size in one recycled buffer share a bind group.
  #resource({ buffer, byteOffset }: Tensor): GPUBufferBinding {
    const size = Math.min(buffer.size - byteOffset, this.#gpu.limits.maxStorageBufferBindingSize)
    return { buffer, offset: byteOffset, size }
  }
}
