// Blocks of Q8_0, worked by hand and by the law of rounding.
import fc from "fast-check"
import { expect, it } from "vitest"
import { encodeQ8Blocks } from "#shared/formats/gguf/q8-0.ts"
import { widenFloat16 } from "#shared/formats/weights/half-float.ts"

const scaleOf = (bytes: Uint8Array, block = 0) =>
  widenFloat16(Uint16Array.of(bytes[34 * block]! | (bytes[34 * block + 1]! << 8)))[0]!
const codesOf = (bytes: Uint8Array, block = 0) => [
  ...new Int8Array(bytes.buffer).subarray(34 * block + 2, 34 * block + 34),
]

it("holds the largest magnitude as 127, and the others by the same scale, halves away from zero", () => {
  const values = new Float32Array(32)
  values.set([127, -127, 1, -1, 0.5, -0.5, 1.5, -1.5, 0.49, -0.49, 126.5])
  const bytes = encodeQ8Blocks(values)
  expect(bytes).toHaveLength(34)
  expect(scaleOf(bytes)).toBe(1)
  expect(codesOf(bytes).slice(0, 12)).toEqual([127, -127, 1, -1, 1, -1, 2, -2, 0, 0, 127, 0])
})

it("holds a block of zeros as zeros, whatever stands beside it", () => {
  const values = new Float32Array(64)
  values[40] = -3
  const bytes = encodeQ8Blocks(values)
  expect(scaleOf(bytes, 0)).toBe(0)
  expect(codesOf(bytes, 0).every((code) => code === 0)).toBe(true)
  expect(codesOf(bytes, 1)[8]).toBe(-127)
})

it("is never further from a value than half a step and what f16 takes from the scale", () => {
  const block = fc.float32Array({ minLength: 32, maxLength: 32, noNaN: true, min: -1000, max: 1000 })
  fc.assert(
    fc.property(block, (values) => {
      const bytes = encodeQ8Blocks(values)
      const largest = Math.max(...values.map(Math.abs))
      const step = largest / 127
      for (const [index, code] of codesOf(bytes).entries()) {
        // f16 keeps 11 bits, and 2⁻²⁵ where it is subnormal; the code is at most 127.
        const ofScale = 127 * Math.max(step * 2 ** -11, 2 ** -25)
        const bound = (step / 2) * (1 + 1e-5) + ofScale
        expect(Math.abs(code * scaleOf(bytes) - values[index]!)).toBeLessThanOrEqual(bound)
      }
    }),
  )
})
