// The trainer's random source: seeded, and a function of a label too, so that no two uses share a stream and nothing needs to be
// saved to go on where a run stopped.

/** sfc32 (PractRand 0.93, C. Doty-Humphrey, public domain), seeded by an integer and a label. */
export class SeededRandom {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number, label: string) {
    this.#a = seed >>> 0
    this.#b = Math.floor(seed / 2 ** 32) >>> 0
    this.#c = fnv1a(label)
    for (let round = 0; round < 16; round++) this.bits()
  }

  /** 32 uniform bits. */
  bits(): number {
    const result = (((this.#a + this.#b) >>> 0) + this.#counter) >>> 0
    this.#counter = (this.#counter + 1) >>> 0
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0
    this.#b = (this.#c + (this.#c << 3)) >>> 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) >>> 0
    return result
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.bits() / 2 ** 32
  }

  /** 0 to length − 1 in random order (Fisher–Yates). */
  permutation(length: number): Uint32Array {
    const order = Uint32Array.from({ length }, (_, index) => index)
    for (let last = length - 1; last > 0; last--) {
      const other = Math.floor(this.unit() * (last + 1))
      const kept = order[last]!
      order[last] = order[other]!
      order[other] = kept
    }
    return order
  }
}

function fnv1a(text: string): number {
  let hash = 2166136261
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 16777619)
  return hash >>> 0
}
