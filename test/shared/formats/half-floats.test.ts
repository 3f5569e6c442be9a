import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bfloat16Bits, float16Bits, fromBFloat16, fromFloat16, roundHalfToEven } from "#shared/formats/half-floats.ts"

const finite32 = fc.float({ noNaN: true, noDefaultInfinity: true })

describe("binary16", () => {
  it("comes back from the value of each of its 63,488 finite bit patterns and of both infinities", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromFloat16(bits)
      if (Number.isNaN(value)) expect(Number.isNaN(fromFloat16(float16Bits(value)))).toBe(true)
      else if (float16Bits(value) !== bits) expect.fail(`${bits} became ${float16Bits(value)}`)
    }
  })

  it("is half-way rounded to even: ties, carries, subnormals, the step to infinity", () => {
    const cases: [number, number][] = [
      [1, 0x3c00],
      [1 + 2 ** -11, 0x3c00],
      [1 + 2 ** -11 + 2 ** -20, 0x3c01],
      [1 + 3 * 2 ** -11, 0x3c02],
      [2 - 2 ** -12, 0x4000],
      [-65_504, 0xfbff],
      [65_519.996, 0x7bff],
      [65_520, 0x7c00],
      [2 ** -24, 0x0001],
      [2 ** -25, 0x0000],
      [3 * 2 ** -25, 0x0002],
      [2 ** -14 - 2 ** -26, 0x0400],
      [-0, 0x8000],
      [Number.NEGATIVE_INFINITY, 0xfc00],
    ]
    for (const [value, bits] of cases) expect(float16Bits(value), `${value}`).toBe(bits)
  })

  it("takes the nearest of its values, for any f32", () => {
    fc.assert(
      fc.property(fc.float({ min: -65_504, max: 65_504, noNaN: true }), (value) => {
        const bits = float16Bits(value)
        const error = Math.abs(fromFloat16(bits) - value)
        for (const neighbour of [bits - 1, bits + 1]) {
          const other = fromFloat16(neighbour & 0xffff)
          if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - value))
        }
      }),
    )
  })
})

describe("bfloat16", () => {
  it("is the upper half of an f32, rounded half-way to even", () => {
    const cases: [number, number][] = [
      [1, 0x3f80],
      [1 + 2 ** -8, 0x3f80],
      [1 + 3 * 2 ** -8, 0x3f82],
      [1 + 2 ** -8 + 2 ** -20, 0x3f81],
      [-0, 0x8000],
      [Math.fround(3.4028235e38), 0x7f80],
      [Number.NEGATIVE_INFINITY, 0xff80],
    ]
    for (const [value, bits] of cases) expect(bfloat16Bits(value), `${value}`).toBe(bits)
    expect(Number.isNaN(fromBFloat16(bfloat16Bits(Number.NaN)))).toBe(true)
  })

  it("comes back from the value of every bit pattern that is no NaN", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromBFloat16(bits)
      if (!Number.isNaN(value) && bfloat16Bits(value) !== bits) expect.fail(`${bits} became ${bfloat16Bits(value)}`)
    }
  })

  it("is off by at most 2⁻⁸ of the value, for any normal f32 that fits", () => {
    fc.assert(
      fc.property(finite32, (value) => {
        fc.pre(Math.abs(value) >= 2 ** -126 && Math.abs(value) < 3.38e38)
        expect(Math.abs(fromBFloat16(bfloat16Bits(value)) - value)).toBeLessThanOrEqual(2 ** -8 * Math.abs(value))
      }),
    )
  })
})

describe("rounding to integers", () => {
  it("goes to the even one from half-way, on both sides of zero", () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2.4999, 126.6].map(roundHalfToEven)).toEqual([0, 2, 2, 0, -2, -2, 2, 127])
  })
})
