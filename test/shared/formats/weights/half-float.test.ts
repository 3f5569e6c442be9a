import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  narrowBFloat16,
  narrowFloat16,
  roundToOdd,
  widenBFloat16,
  widenFloat16,
} from "#shared/formats/weights/half-float.ts"
import { asFloat32, encodeTensor } from "#shared/formats/weights/safetensors.ts"

const allHalves = Uint16Array.from({ length: 65_536 }, (_, bits) => bits)

/** The engine's own binary16 rounding. */
function engineFloat16(value: number): number {
  const view = new DataView(new ArrayBuffer(2))
  view.setFloat16(0, value)
  return view.getUint16(0)
}

/** Nearest bfloat16 of a number by comparing both neighbours; ties to the even one. */
function nearestBFloat16(value: number): number {
  const word = new Uint32Array(Float32Array.of(Math.abs(value)).buffer)[0]!
  const sign = Object.is(Math.sign(value), -1) || Object.is(value, -0) ? 0x8000 : 0
  const candidates = [-1, 0, 1].map((offset) => (word >>> 16) + offset).filter((bits) => bits >= 0 && bits <= 0x7f80)
  // One step above the largest finite value counts as 2¹²⁸ in the choice between it and infinity.
  const distance = (bits: number) =>
    Math.abs((bits === 0x7f80 ? 2 ** 128 : widenBFloat16(Uint16Array.of(bits))[0]!) - Math.abs(value))
  return sign | candidates.sort((a, b) => distance(a) - distance(b) || (a & 1) - (b & 1))[0]!
}

const anyFloat32 = fc
  .integer({ min: 0, max: 2 ** 32 - 1 })
  .map((word) => new Float32Array(Uint32Array.of(word).buffer)[0]!)
const finiteFloat32 = anyFloat32.filter(Number.isFinite)

describe("16-bit floats", () => {
  it("come back as the same bits after widening, for every value that is a number", () => {
    for (const [widen, narrow] of [
      [widenBFloat16, narrowBFloat16],
      [widenFloat16, narrowFloat16],
    ] as const) {
      const widened = widen(allHalves)
      const narrowed = narrow(widened)
      for (let bits = 0; bits < 65_536; bits++) {
        if (!Number.isNaN(widened[bits]!)) expect(narrowed[bits]).toBe(bits)
        else expect(widen(narrowed.subarray(bits, bits + 1))[0]).toBeNaN()
      }
    }
  })

  it("are the nearest ones, ties to even: binary16 as the engine rounds", () => {
    const property = fc.property(anyFloat32, (value) => {
      fc.pre(!Number.isNaN(value))
      expect(narrowFloat16(Float32Array.of(value))[0]).toBe(engineFloat16(value))
    })
    fc.assert(property, { numRuns: 20_000 })
    const ties = [2 ** -25, 1.5 * 2 ** -24, 2.5 * 2 ** -24, 65_519.996, 65_520, 2049, 2051, -2049, 0.1, 6.1e-5]
    for (const value of ties) expect(narrowFloat16(Float32Array.of(value))[0]).toBe(engineFloat16(Math.fround(value)))
  })

  it("are the nearest ones, ties to even: bfloat16 by comparing neighbours", () => {
    const property = fc.property(finiteFloat32, (value) => {
      expect(narrowBFloat16(Float32Array.of(value))[0]).toBe(nearestBFloat16(value))
    })
    fc.assert(property, { numRuns: 5000 })
    expect([...narrowBFloat16(Float32Array.of(1.00390625, 1.01171875, 3.4e38, Number.POSITIVE_INFINITY))]).toEqual([
      0x3f80, 0x3f82, 0x7f80, 0x7f80,
    ])
  })

  it("are reached from f64 by one rounding, where two would miss a tie", () => {
    // Just above the tie between 1 and the next bfloat16: f32 loses the "just above", and the tie would go to even.
    const value = 1 + 2 ** -8 + 2 ** -40
    expect(narrowBFloat16(Float32Array.of(value))[0]).toBe(0x3f80)
    expect(narrowBFloat16(Float32Array.of(roundToOdd(value)))[0]).toBe(0x3f81)
    expect(narrowBFloat16(Float32Array.of(roundToOdd(-(1 + 2 ** -8 - 2 ** -40))))[0]).toBe(0xbf80)
    const property = fc.property(fc.double({ noNaN: true, min: -70_000, max: 70_000 }), (number) => {
      expect(narrowFloat16(Float32Array.of(roundToOdd(number)))[0]).toBe(engineFloat16(number))
    })
    fc.assert(property, { numRuns: 5000 })
  })

  it("make tensors that read back as the rounded values", () => {
    const values = Float32Array.of(1, 1.001, -3.1409)
    expect(encodeTensor("w", [3], values, "F32").data.buffer).toBe(values.buffer)
    const bf16 = encodeTensor("w", [3], values, "BF16")
    expect(bf16).toMatchObject({ dtype: "BF16", shape: [3] })
    expect([...asFloat32(bf16)]).toEqual([1, 1, -3.140625])
    expect([...asFloat32(encodeTensor("w", [3], values, "F16"))]).toEqual([1, 1.0009765625, -3.140625])
  })
})
