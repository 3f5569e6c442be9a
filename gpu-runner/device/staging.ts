// Buffers that readbacks are mapped in. Small ones wait for the next readback, which comes every step; large ones, of checkpoints, are
// destroyed.
import { sizeClassBytes } from "./memory.ts"
import type { GpuDevice } from "./open-device.ts"

const LARGEST_KEPT_BYTES = 2 ** 20

export class Staging {
  readonly #gpu: GpuDevice
  readonly #free: GPUBuffer[] = []

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu
  }

  /** An unmapped buffer of at least so many bytes. */
  take(byteLength: number): GPUBuffer {
    const index = this.#free.findIndex(({ size }) => size >= byteLength)
    if (index >= 0) return this.#free.splice(index, 1)[0]!
    return this.#gpu.device.createBuffer({
      label: "readback.staging",
      size: byteLength > LARGEST_KEPT_BYTES ? byteLength : sizeClassBytes(byteLength),
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    })
  }

  /** Takes back a buffer that is mapped. */
  give(buffer: GPUBuffer): void {
    if (buffer.size > LARGEST_KEPT_BYTES) return buffer.destroy()
    buffer.unmap()
    this.#free.push(buffer)
  }

  destroy(): void {
    for (const buffer of this.#free.splice(0)) buffer.destroy()
  }
}
