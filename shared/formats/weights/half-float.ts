// The 16-bit float formats of model files: bfloat16 and IEEE 754 binary16, widened exactly and narrowed with one
// rounding to nearest, ties to even, as torch's `.to(dtype)` does. Pure bit arithmetic, the same on every engine.

/** bfloat16 bits as f32; exact, since bfloat16 is the upper half of an f32. */
export function widenBFloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length)
  for (let index = 0; index < bits.length; index++) words[index] = bits[index]! << 16
  return new Float32Array(words.buffer)
}

let float16Values: Float32Array | undefined

/** binary16 bits as f32; exact. By a table of all 65,536 values, made on first use: models have millions of weights. */
export function widenFloat16(bits: Uint16Array): Float32Array {
  float16Values ??= Float32Array.from({ length: 65_536 }, (_, half) => float16ToNumber(half))
  const values = new Float32Array(bits.length)
  for (let index = 0; index < bits.length; index++) values[index] = float16Values[bits[index]!]!
  return values
}

/** IEEE 754 binary16 bits to a number: 1 sign, 5 exponent (bias 15), 10 fraction bits; subnormals, infinities and NaN included. */
function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** f32 values as bfloat16 bits. Values from half a unit above the largest finite one become infinite; NaN stays a quiet NaN. */
export function narrowBFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = wordsOf(values)
  const bits = new Uint16Array(words.length)
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    bits[index] =
      (word & 0x7fffffff) > 0x7f800000
        ? (word >>> 16) | 0x40
        : // Half a unit less one, plus one where the kept part is odd: a tie goes to the even neighbour.
          (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return bits
}

/** f32 values as binary16 bits: subnormals kept, values from 65520 on infinite, NaN a quiet NaN. */
export function narrowFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = wordsOf(values)
  const bits = new Uint16Array(words.length)
  for (let index = 0; index < words.length; index++) bits[index] = wordToFloat16(words[index]!)
  return bits
}

function wordToFloat16(word: number): number {
  const sign = (word >>> 16) & 0x8000
  const magnitude = word & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  // 2⁻¹⁴ and up are normal: the exponent is rebiased from 127 to 15, then 13 fraction bits are rounded away.
  if (magnitude >= 0x38800000) return sign | roundAway(magnitude - (112 << 23), 13)
  // Below 2⁻²⁵ nothing is left, and 2⁻²⁵ itself is a tie that goes to 0.
  if (magnitude <= 0x33000000) return sign
  const exponent = magnitude >>> 23
  return sign | roundAway((magnitude & 0x7fffff) | 0x800000, 126 - exponent)
}

/** `value` without its lowest bits, rounded to nearest, ties to even; a carry runs into the exponent, as it must. */
function roundAway(value: number, bitCount: number): number {
  const kept = value >>> bitCount
  const half = 2 ** (bitCount - 1)
  const rest = value & (2 ** bitCount - 1)
  return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0)
}

const scratch = new Float32Array(1)
const scratchWord = new Uint32Array(scratch.buffer)

/**
 * The f32 neighbour of an f64 number that keeps "inexact" in its last bit (round to odd). Narrowing the result to 16 bits
 * gives what one rounding of the f64 number would (Boldo and Melquiond 2008), where rounding twice could miss a tie.
 */
export function roundToOdd(value: number): number {
  scratch[0] = value
  const rounded = scratch[0]!
  if (rounded === value || !Number.isFinite(rounded)) return rounded
  if (Math.abs(rounded) > Math.abs(value)) scratchWord[0]! -= 1
  scratchWord[0]! |= 1
  return scratch[0]!
}

function wordsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}
