// Buffers that readbacks are mapped in, and the reads that wait for one. Small buffers are kept for the next readback, which comes every
// step; large ones, of checkpoints, are destroyed.
import { sizeClassBytes } from "./memory.ts"
import type { GpuDevice } from "./open-device.ts"

const LARGEST_KEPT_BYTES = 2 ** 20

/** Values that come with a readback to be done later. */
export interface LaterRead {
  /** The tensors' bits as f32, in order; undefined until the next readback of the context is done. */
  readonly values: readonly Float32Array[] | undefined
}

/** A read whose copies into `buffer` are being recorded, one part after the other. */
export interface OpenRead extends LaterRead {
  readonly buffer: GPUBuffer
}

class Read implements OpenRead {
  readonly buffer: GPUBuffer
  readonly #partBytes: readonly number[]
  values: Float32Array[] | undefined

  constructor(buffer: GPUBuffer, partBytes: readonly number[]) {
    this.buffer = buffer
    this.#partBytes = partBytes
  }

  map(): Promise<void> {
    return this.buffer.mapAsync(GPUMapMode.READ, 0, byteSum(this.#partBytes))
  }

  take(): void {
    const mapped = this.buffer.getMappedRange(0, byteSum(this.#partBytes))
    let offset = 0
    this.values = this.#partBytes.map((bytes) => {
      offset += bytes
      return new Float32Array(mapped.slice(offset - bytes, offset))
    })
    this.buffer.unmap()
  }
}

export class Staging {
  readonly #gpu: GpuDevice
  readonly #free: GPUBuffer[] = []
  #open: Read[] = []

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu
  }

  get hasOpenReads(): boolean {
    return this.#open.length > 0
  }

  /** Opens a read of parts with these lengths, which lie back to back in its buffer. */
  open(partBytes: readonly number[]): OpenRead {
    const read = new Read(this.#buffer(byteSum(partBytes)), partBytes)
    this.#open.push(read)
    return read
  }

  /** Fills in all open reads, whose copies must have been submitted, with one wait for all of them. */
  async readAll(): Promise<void> {
    const reads = this.#open
    this.#open = []
    try {
      await this.#gpu.wait(Promise.all(reads.map((read) => read.map())))
    } catch (error) {
      for (const { buffer } of reads) buffer.destroy()
      throw error
    }
    for (const read of reads) {
      read.take()
      if (read.buffer.size <= LARGEST_KEPT_BYTES) this.#free.push(read.buffer)
      else read.buffer.destroy()
    }
  }

  #buffer(byteLength: number): GPUBuffer {
    const index = this.#free.findIndex(({ size }) => size >= byteLength)
    if (index >= 0) return this.#free.splice(index, 1)[0]!
    return this.#gpu.device.createBuffer({
      label: "readback.staging",
      size: byteLength > LARGEST_KEPT_BYTES ? byteLength : sizeClassBytes(byteLength),
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    })
  }

  destroy(): void {
    for (const buffer of this.#free.splice(0)) buffer.destroy()
    for (const { buffer } of this.#open.splice(0)) buffer.destroy()
  }
}

function byteSum(parts: readonly number[]): number {
  return parts.reduce((sum, bytes) => sum + bytes, 0)
}
