// A seeded random source for the demo's recipe: the same seed gives the same files on every machine.
// Integer arithmetic only, but for `normal`, whose logarithm V8 computes in software.

/** sfc32, seeded from one 32-bit integer. Source: PractRand 0.93 (C. Doty-Humphrey, public domain). */
export class SeededRandom {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: number) {
    this.a = 0x9e3779b9
    this.b = 0x243f6a88
    this.c = seed >>> 0
    for (let round = 0; round < 16; round++) this.bits()
  }

  /** 32 uniform bits. */
  bits(): number {
    const result = (((this.a + this.b) >>> 0) + this.counter) >>> 0
    this.counter = (this.counter + 1) >>> 0
    this.a = (this.b ^ (this.b >>> 9)) >>> 0
    this.b = (this.c + (this.c << 3)) >>> 0
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) >>> 0
    return result
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.bits() / 2 ** 32
  }

  /** Uniform integer in [0, size). */
  below(size: number): number {
    return Math.floor(this.unit() * size)
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<A>(values: readonly A[]): A {
    const value = values[this.below(values.length)]
    if (value === undefined) throw new Error("nothing to pick from: the list is empty")
    return value
  }

  shuffled<A>(values: readonly A[]): A[] {
    const result = [...values]
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const moved = result[last] as A
      result[last] = result[other] as A
      result[other] = moved
    }
    return result
  }

  /** Standard normal, Marsaglia's polar method; the second value of each draw is not kept. */
  normal(): number {
    for (;;) {
      const x = 2 * this.unit() - 1
      const y = 2 * this.unit() - 1
      const square = x * x + y * y
      if (square > 0 && square < 1) return x * Math.sqrt((-2 * Math.log(square)) / square)
    }
  }

  /** A version 4 UUID. */
  uuid(): string {
    const hex = Array.from({ length: 4 }, () => this.bits().toString(16).padStart(8, "0")).join("")
    const variant = "89ab"[Number.parseInt(hex[16]!, 16) % 4]
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
  }
}

/** FNV-1a of the text's UTF-8 bytes, 32 bits. Splits texts into groups that do not depend on any order. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  // The low bits of FNV-1a mix poorly over short texts.
  return (hash ^ (hash >>> 15)) >>> 0
}
