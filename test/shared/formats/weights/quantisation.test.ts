import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { narrowBFloat16, narrowFloat16 } from "#shared/formats/weights/half-float.ts"
import { NORMAL_FLOAT_4, normalFloat4Code } from "#shared/formats/weights/normal-float.ts"
import {
  BLOCK_COLUMNS,
  blocksPerRow,
  type CodedMatrix,
  expandMatrix,
  storedBytes,
  storeMatrix,
  UnstorableWeight,
  verbatimKind,
  WEIGHT_KINDS,
  wordsPerRow,
} from "#shared/formats/weights/quantisation.ts"
import { asFloat32, type Tensor, tensorOf } from "#shared/formats/weights/tensor.ts"
import { normalFloat4 } from "#test/reference/normal-float.ts"

const matrix = (rows: number, columns: number, values: ArrayLike<number>) =>
  tensorOf("w", [rows, columns], Float32Array.from(values))

/** 16-bit checkpoint tensors; a leading odd byte makes their bytes unaligned. */
function halves(dtype: "BF16" | "F16", rows: number, columns: number, bits: readonly number[], shift = 0): Tensor {
  const bytes = new Uint8Array(2 * bits.length + shift)
  bits.forEach((half, index) => {
    bytes[shift + 2 * index] = half & 0xff
    bytes[shift + 2 * index + 1] = half >> 8
  })
  return { name: "w", dtype, shape: [rows, columns], data: bytes.subarray(shift) }
}

// Row lengths around words and blocks, with values that are many magnitudes apart in one matrix.
const anyMatrix = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(1, 3, 7, 8, 12, 63, 64, 65, 71, 128, 130))
  .chain(([rows, columns]) =>
    fc
      .array(
        fc.oneof(
          fc.constant(0),
          fc.float({ min: -1, max: 1, noNaN: true }),
          fc.float({ min: -1000, max: 1000, noNaN: true }),
          fc.float({ min: Math.fround(-1e-30), max: Math.fround(1e-30), noNaN: true }),
        ),
        { minLength: rows * columns, maxLength: rows * columns },
      )
      .map((values) => ({ rows, columns, values: Float32Array.from(values) })),
  )

/** Calls `check` with each weight, what it became, and the scale of its block. */
function eachWeight(
  kind: "int8" | "nf4",
  { rows, columns, values }: { rows: number; columns: number; values: Float32Array },
  check: (weight: number, held: number, scale: number) => void,
): void {
  const stored = storeMatrix(matrix(rows, columns, values), kind) as CodedMatrix
  const expanded = expandMatrix(stored)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const scale = stored.scales![row * blocksPerRow(columns) + Math.floor(column / BLOCK_COLUMNS)]!
      check(values[row * columns + column]!, expanded[row * columns + column]!, scale)
    }
  }
}

const TINY = 2 ** -119
// Half a unit in the last place of an f32: the rounding of the product itself.
const ROUNDING = 2 ** -24

describe("NormalFloat-4", () => {
  it("is the table that its definition gives, within 2e-7", () => {
    const defined = normalFloat4()
    expect(defined.length).toBe(16)
    defined.forEach((value, code) => {
      expect(Math.abs(NORMAL_FLOAT_4[code]! - value), `code ${code}`).toBeLessThan(2e-7)
    })
    expect([NORMAL_FLOAT_4[0], NORMAL_FLOAT_4[7], NORMAL_FLOAT_4[15]]).toEqual([-1, 0, 1])
  })

  it("finds the nearest of the sixteen values, for any weight", () => {
    fc.assert(
      fc.property(fc.float({ min: -1, max: 1, noNaN: true }), (weight) => {
        const distances = Array.from(NORMAL_FLOAT_4, (value) => Math.abs(value - weight))
        expect(distances[normalFloat4Code(weight)]).toBe(Math.min(...distances))
      }),
    )
  })
})

describe("int8", () => {
  it("is off by at most half a scale, and keeps zeros", () => {
    fc.assert(
      fc.property(anyMatrix, (given) => {
        eachWeight("int8", given, (weight, held, scale) => {
          expect(Math.abs(held - weight)).toBeLessThanOrEqual(scale * (0.5 + 127 * ROUNDING) + (scale === 0 ? TINY : 0))
          if (weight === 0) expect(held).toBe(0)
        })
      }),
    )
  })

  it("gives multiples of a scale back exactly", () => {
    const codes = Array.from({ length: 255 }, (_, index) => index - 127)
    const stored = storeMatrix(matrix(1, 256, [...codes.map((code) => code * 0.03125), 0]), "int8") as CodedMatrix
    // Each block of 64 codes has a largest magnitude of its own; only the outer ones reach 127.
    expect(stored.scales![0]).toBe(0.03125)
    expect([...expandMatrix(stored).subarray(0, 64)]).toEqual(codes.slice(0, 64).map((code) => code * 0.03125))
  })

  it("packs four codes a word in two's complement, the first column lowest", () => {
    const stored = storeMatrix(matrix(1, 5, [127, -1, 2, -127, 64]), "int8") as CodedMatrix
    expect([...stored.words]).toEqual([0x8102ff7f, 0x40])
    expect([...stored.scales!]).toEqual([1])
  })
})

describe("nf4", () => {
  it("is off by at most half the distance between the neighbouring code values, and keeps zeros", () => {
    fc.assert(
      fc.property(anyMatrix, (given) => {
        eachWeight("nf4", given, (weight, held, scale) => {
          if (scale === 0) {
            expect(held).toBe(0)
            expect(Math.abs(weight)).toBeLessThan(TINY)
            return
          }
          const above = Array.from(NORMAL_FLOAT_4).findIndex((value) => value >= weight / scale)
          const gap = above === 0 ? 0 : NORMAL_FLOAT_4[above]! - NORMAL_FLOAT_4[above - 1]!
          expect(Math.abs(held - weight)).toBeLessThanOrEqual(scale * (gap / 2 + ROUNDING))
          if (weight === 0) expect(held).toBe(0)
        })
      }),
    )
  })

  it("gives code values times a scale back exactly, and stores them again as the same words", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 64, maxLength: 64 }),
        fc.float({ min: Math.fround(1e-6), max: 1000, noNaN: true }),
        (codes, scale) => {
          const values = [...codes.slice(1).map((code) => Math.fround(NORMAL_FLOAT_4[code]! * scale)), scale]
          const stored = storeMatrix(matrix(1, 64, values), "nf4") as CodedMatrix
          expect([...expandMatrix(stored)]).toEqual(values)
          expect(storeMatrix(matrix(1, 64, expandMatrix(stored)), "nf4")).toEqual(stored)
        },
      ),
    )
  })

  it("packs eight codes a word, the first column lowest", () => {
    const stored = storeMatrix(matrix(1, 9, [-2, 2, 0, 0, 0, 0, 0, -2, 2]), "nf4") as CodedMatrix
    expect([...stored.words]).toEqual([0x077777f0, 0xf])
    expect([...stored.scales!]).toEqual([2])
  })

  it("scales the tail of a row that is no multiple of 64 by itself", () => {
    const values = Array.from({ length: 2 * 70 }, (_, index) => (index % 70 < 64 ? 1 : 0.25))
    const stored = storeMatrix(matrix(2, 70, values), "nf4") as CodedMatrix
    expect([...stored.scales!]).toEqual([1, 0.25, 1, 0.25])
    expect([...expandMatrix(stored)]).toEqual(values)
  })
})

describe("16-bit weights", () => {
  it("keep a checkpoint's own bits, whatever its alignment and row length", () => {
    for (const dtype of ["BF16", "F16"] as const) {
      for (const [rows, columns] of [
        [2, 4],
        [3, 5],
      ] as const) {
        for (const shift of [0, 1, 2]) {
          const bits = Array.from({ length: rows * columns }, (_, index) => (0x3a01 + 977 * index) & 0xbbff)
          const tensor = halves(dtype, rows, columns, bits, shift)
          const stored = storeMatrix(tensor, verbatimKind(tensor))
          expect([...expandMatrix(stored)]).toEqual([...asFloat32(tensor)])
        }
      }
    }
  })

  it("of an aligned checkpoint are not copied", () => {
    const tensor = halves("BF16", 2, 4, [1, 2, 3, 4, 5, 6, 7, 8])
    const stored = storeMatrix(tensor, "bf16") as CodedMatrix
    expect(stored.words.buffer).toBe(tensor.data.buffer)
    expect([...stored.words]).toEqual([0x20001, 0x40003, 0x60005, 0x80007])
  })

  it("reach up to the last f32 that does not round to infinity", () => {
    const largest = (2 - 2 ** -8) * 2 ** 127 - 2 ** 104
    expect([...expandMatrix(storeMatrix(matrix(1, 2, [largest, -largest]), "bf16"))]).toEqual([
      (2 - 2 ** -7) * 2 ** 127,
      -(2 - 2 ** -7) * 2 ** 127,
    ])
    expect([...expandMatrix(storeMatrix(matrix(1, 2, [65_504, -65_504]), "f16"))]).toEqual([65_504, -65_504])
  })

  it("of an f32 checkpoint are rounded to the nearest 16-bit value", () => {
    fc.assert(
      fc.property(anyMatrix, ({ rows, columns, values }) => {
        for (const [kind, narrow, dtype] of [
          ["bf16", narrowBFloat16, "BF16"],
          ["f16", narrowFloat16, "F16"],
        ] as const) {
          const rounded = halves(dtype, rows, columns, [...narrow(values)])
          expect([...expandMatrix(storeMatrix(matrix(rows, columns, values), kind))]).toEqual([...asFloat32(rounded)])
        }
      }),
    )
  })
})

describe("what cannot be held", () => {
  const refused: [string, Tensor, (typeof WEIGHT_KINDS)[number], string][] = [
    ["a weight beyond f16's range", matrix(2, 2, [0, 0, 65_505, 0]), "f16", "w holds 65505 at [1, 0]"],
    ["a weight that rounds to infinity in bf16", matrix(1, 2, [0, -3.4028235e38]), "bf16", "beyond the range of bf16"],
    ["a weight just too large for bf16", matrix(1, 1, [(2 - 2 ** -8) * 2 ** 127]), "bf16", "beyond the range of bf16"],
    ["NaN in an f32 matrix", matrix(2, 3, [0, 1, 2, 3, Number.NaN, 5]), "nf4", "w holds NaN at [1, 1]"],
    ["infinity held as f32", matrix(1, 2, [0, Number.NEGATIVE_INFINITY]), "f32", "w holds -Infinity at [0, 1]"],
    ["NaN in bf16, high half", halves("BF16", 2, 4, [0, 0, 0, 0, 0, 0x7fc0, 0, 0]), "bf16", "w holds NaN at [1, 1]"],
    ["infinity in f16, odd rows", halves("F16", 2, 3, [0, 0, 0, 0, 0, 0xfc00]), "f16", "w holds -Infinity at [1, 2]"],
    ["infinity in bf16 on the way to int8", halves("BF16", 1, 2, [0x7f80, 0]), "int8", "w holds Infinity at [0, 0]"],
    ["a vector", tensorOf("n", [4], new Float32Array(4)), "nf4", "only matrices"],
    ["integers", tensorOf("i", [1, 4], new Int32Array(4)), "bf16", "i is I32; weights must be F32, F16 or BF16"],
  ]
  it.each(refused)("%s is refused by name and place", (_, tensor, kind, message) => {
    const attempt = () => storeMatrix(tensor, kind)
    expect(attempt).toThrow(UnstorableWeight)
    expect(attempt).toThrow(message)
  })

  it("blocks below 2⁻¹¹⁹ become zeros in int8 and nf4, and all-zero blocks stay zeros", () => {
    for (const kind of ["int8", "nf4"] as const) {
      const values = [
        ...new Float32Array(64),
        ...new Float32Array(64).fill(2 ** -120),
        ...new Float32Array(64).fill(TINY),
      ]
      const expanded = expandMatrix(storeMatrix(matrix(1, 192, values), kind))
      expect([...expanded]).toEqual([...new Float32Array(128), ...new Float32Array(64).fill(TINY)])
    }
  })
})

describe("sizes", () => {
  it("are 32, 16, 16, 8.5 and 4.5 bits a weight where rows are multiples of 64", () => {
    const bits = WEIGHT_KINDS.map((kind) => (8 * storedBytes(kind, 100, 4096)) / (100 * 4096))
    expect(bits).toEqual([32, 16, 16, 8.5, 4.5])
  })

  it("are those of the arrays that are made", () => {
    fc.assert(
      fc.property(anyMatrix, ({ rows, columns, values }) => {
        for (const kind of ["bf16", "f16", "int8", "nf4"] as const) {
          const stored = storeMatrix(matrix(rows, columns, values), kind) as CodedMatrix
          expect(stored.words.length).toBe(rows * wordsPerRow(kind, columns))
          expect(stored.words.byteLength + (stored.scales?.byteLength ?? 0)).toBe(storedBytes(kind, rows, columns))
        }
      }),
    )
  })
})
