// Buffers of one size that wait for reuse. The oldest is handed out first: what asks and gives back in the same order as before gets
// the same buffers as before, in whatever order they came back, and so finds its bind groups made.

/** Numbers a pool's buffers by age. */
export class BufferAges {
  readonly #ages = new WeakMap<GPUBuffer, number>()
  #count = 0

  /** The buffer's number: lower for one that was asked about earlier. */
  of(buffer: GPUBuffer): number {
    let age = this.#ages.get(buffer)
    if (age === undefined) {
      age = this.#count++
      this.#ages.set(buffer, age)
    }
    return age
  }
}

export class FreeBuffers implements Iterable<GPUBuffer> {
  readonly #ages: BufferAges
  /** Youngest first. */
  readonly #buffers: GPUBuffer[] = []

  constructor(ages: BufferAges) {
    this.#ages = ages
  }

  get count(): number {
    return this.#buffers.length
  }

  [Symbol.iterator](): Iterator<GPUBuffer> {
    return this.#buffers[Symbol.iterator]()
  }

  /** The oldest; undefined where none is left. */
  take(): GPUBuffer | undefined {
    return this.#buffers.pop()
  }

  give(buffer: GPUBuffer): void {
    const age = this.#ages.of(buffer)
    let [low, high] = [0, this.#buffers.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ages.of(this.#buffers[middle]!) > age) low = middle + 1
      else high = middle
    }
    this.#buffers.splice(low, 0, buffer)
  }
}
