// NormalFloat-4: sixteen code values that are equally likely for normally distributed weights, in units of a block's largest magnitude.
// Source: QLoRA (arXiv 2305.14314), section 3 and appendix E. Equation 4 alone has no exact zero; the published table, asymmetric around
// an exact zero, is followed. A test derives it from its definition; its f32 origin leaves it within 2e-7 of that.

/** The published code values in ascending order, f32; number 7 is 0, the first −1, the last 1. */
export const NORMAL_FLOAT_4 = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
)

/** Half-way between neighbours, f64: a weight above number n belongs to a code above n. Beyond the last code nothing does. */
const MIDPOINTS = Float64Array.from({ length: 16 }, (_, code) =>
  code === 15 ? Number.POSITIVE_INFINITY : (NORMAL_FLOAT_4[code]! + NORMAL_FLOAT_4[code + 1]!) / 2,
)

// [−1, 1] in cells so narrow that none holds two midpoints: the code at a cell's lower edge is the weight's code or the one before it.
const CELLS = 256
const CODE_AT_EDGE = Uint8Array.from({ length: CELLS + 1 }, (_, cell) =>
  MIDPOINTS.findIndex((midpoint) => cell / (CELLS / 2) - 1 <= midpoint),
)

/** The code nearest to a weight in [−1, 1]; of two equally near ones the lower. */
export function normalFloat4Code(weight: number): number {
  const code = CODE_AT_EDGE[((weight + 1) * (CELLS / 2)) | 0]!
  return weight > MIDPOINTS[code]! ? code + 1 : code
}
