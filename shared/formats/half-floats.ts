// The two 16-bit floats as bits: bfloat16 (8 exponent bits, 7 fraction bits: the upper half of an f32) and IEEE 754 binary16
// (5 and 10). Rounding is to nearest, ties to even; what is too large becomes infinite, and the caller decides what that means.

/** Largest finite value of binary16. */
export const LARGEST_FLOAT16 = 65_504

const word = new Uint32Array(1)
const value = new Float32Array(word.buffer)

function float32Bits(number: number): number {
  value[0] = number
  return word[0]!
}

/** bfloat16 bits of an f32; NaN stays NaN. */
export function bfloat16Bits(number: number): number {
  const bits = float32Bits(number)
  if (Number.isNaN(number)) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** The f32 that bfloat16 bits stand for, exactly. */
export function fromBFloat16(bits: number): number {
  word[0] = bits << 16
  return value[0]!
}

/** binary16 bits of an f32, subnormals included; NaN stays NaN, beyond ±65,520 it is infinite. */
export function float16Bits(number: number): number {
  const bits = float32Bits(number)
  const sign = (bits >>> 16) & 0x8000
  if (Number.isNaN(number)) return sign | 0x7e00
  const magnitude = bits & 0x7fff_ffff
  // Below 2⁻¹⁴ values are multiples of 2⁻²⁴; 1024 of them are bits 0x0400, the first normal value, so a carry is right by itself.
  if (magnitude < 0x3880_0000) return sign | roundHalfToEven(Math.abs(number) * 2 ** 24)
  const rounded = (magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13
  return sign | Math.min(rounded - (112 << 10), 0x7c00)
}

/** The f32 that binary16 bits stand for, exactly. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const ROUNDER = 1.5 * 2 ** 52

/** The nearest integer, ties to even, for |number| < 2⁵¹: f64 has no room for a fraction beside the rounder. */
export function roundHalfToEven(number: number): number {
  return number + ROUNDER - ROUNDER
}
