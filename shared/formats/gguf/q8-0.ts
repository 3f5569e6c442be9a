// Q8_0: blocks of 32 values of a row, each an f16 scale and 32 signed bytes. Source: ggml, src/ggml-quants.c
// (quantize_row_q8_0_ref): the scale is the largest magnitude / 127, codes are rounded half away from zero, by the scale in f32.
import { narrowFloat16 } from "../weights/half-float.ts"

export const Q8_0_BLOCK_VALUES = 32
const BLOCK_BYTES = 34
const LARGEST_CODE = 127

/** Whole blocks of values. The scale of what lies beyond 127 · 65504 is infinite: see that there is none. */
export function encodeQ8Blocks(values: Float32Array): Uint8Array<ArrayBuffer> {
  const blockCount = values.length / Q8_0_BLOCK_VALUES
  const scales = new Float32Array(blockCount)
  const bytes = new Uint8Array(blockCount * BLOCK_BYTES)
  for (let block = 0; block < blockCount; block++) {
    const start = block * Q8_0_BLOCK_VALUES
    let largest = 0
    for (let at = start; at < start + Q8_0_BLOCK_VALUES; at++) largest = Math.max(largest, Math.abs(values[at]!))
    const scale = Math.fround(largest / LARGEST_CODE)
    scales[block] = scale
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
    for (let at = 0; at < Q8_0_BLOCK_VALUES; at++) {
      const scaled = Math.fround(values[start + at]! * inverse)
      bytes[block * BLOCK_BYTES + 2 + at] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5)
    }
  }
  for (const [block, bits] of narrowFloat16(scales).entries()) {
    bytes[block * BLOCK_BYTES] = bits & 0xff
    bytes[block * BLOCK_BYTES + 1] = bits >>> 8
  }
  return bytes
}
