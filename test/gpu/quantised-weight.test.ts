// Packed matrices against their exact twin on the host: bit for bit, in every kind, at any size, whole, in ranges and row by row.
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { expand, expandRows, releaseWeight, uploadWeight } from "#gpu-runner/ops/quantised-weight.ts"
import { widenFloat16 } from "#shared/formats/half-float.ts"
import { NORMAL_FLOAT_4 } from "#shared/formats/normal-float.ts"
import {
  expandMatrix,
  type HostMatrix,
  storeMatrix,
  WEIGHT_KINDS,
  type WeightKind,
} from "#shared/formats/quantisation.ts"
import { type Tensor, tensorOf } from "#shared/formats/tensor.ts"
import { normal64, randomIndices } from "#test/reference/random.ts"
import { executingTest } from "./lanes.ts"

// Row lengths: shorter than a word, odd, one block and a bit, a multiple of 4 but not of 8, several blocks.
const SHAPES = [
  [1, 1],
  [3, 5],
  [2, 67],
  [5, 68],
  [9, 192],
] as const

function randomMatrix(rows: number, columns: number, kind: WeightKind): HostMatrix {
  const { data } = normal64(`weights ${rows} ${columns}`, [rows, columns], { scale: 0.02, outlierEvery: 17 })
  // Some zeros, and values that are subnormal in f16.
  const values = Float32Array.from(data, (value, index) =>
    index % 7 === 3 ? 0 : index % 5 === 4 ? value * 1e-4 : value,
  )
  return storeMatrix(tensorOf("weight", [rows, columns], values), kind)
}

const bits = (values: Float32Array) => [...new Uint32Array(values.buffer, values.byteOffset, values.length)]

async function valuesOf(context: OpContext, matrix: HostMatrix, ids: Uint32Array, firstRow: number) {
  const weight = uploadWeight(context, matrix, "weight")
  const whole = expand(context, weight)
  const listed = expandRows(context, weight, uploaded(context, ids, [ids.length], "ids"))
  // Views of f32 matrices start at multiples of 256 bytes only.
  const range = matrix.kind === "f32" ? whole : expand(context, weight, { firstRow, rowCount: matrix.rows - firstRow })
  const [wholeValues, listedValues, rangeValues] = await readback(context, [whole, listed, range])
  releaseWeight(context, weight)
  return { whole: wholeValues!, listed: listedValues!, range: rangeValues! }
}

for (const kind of WEIGHT_KINDS) {
  executingTest(`${kind} matrices expand to the host's values, bit for bit`, async (context) => {
    for (const [rows, columns] of SHAPES) {
      const matrix = randomMatrix(rows, columns, kind)
      const expected = expandMatrix(matrix)
      const ids = randomIndices("ids", 11, rows)
      const firstRow = kind === "f32" ? 0 : rows - 1
      const actual = await valuesOf(context, matrix, ids, firstRow)
      const shape = `[${rows}, ${columns}]`
      expect(bits(actual.whole), `${shape} whole`).toEqual(bits(expected))
      expect(bits(actual.range), `${shape} last row`).toEqual(bits(expected.subarray(firstRow * columns)))
      const gathered = [...ids].flatMap((id) => bits(expected.slice(id * columns, (id + 1) * columns)))
      expect(bits(actual.listed), `${shape} rows by number`).toEqual(gathered)
    }
  })
}

executingTest("every finite f16 value is expanded exactly, subnormal ones included", async (context) => {
  const halves = Uint16Array.from({ length: 0x10000 }, (_, bits) => ((bits & 0x7c00) === 0x7c00 ? 0 : bits))
  const tensor: Tensor = { name: "w", dtype: "F16", shape: [64, 1024], data: new Uint8Array(halves.buffer) }
  const weight = uploadWeight(context, storeMatrix(tensor, "f16"), "halves")
  const [values] = await readback(context, [expand(context, weight)])
  expect(bits(values!)).toEqual(bits(widenFloat16(halves)))
  releaseWeight(context, weight)
})

executingTest("rows outside of a packed matrix are refused", (context) => {
  const weight = uploadWeight(context, randomMatrix(5, 8, "nf4"), "weight")
  for (const range of [
    { firstRow: -1, rowCount: 2 },
    { firstRow: 0, rowCount: 0 },
    { firstRow: 3, rowCount: 3 },
  ]) {
    expect(() => expand(context, weight, range)).toThrow(ShapeMismatch)
  }
  releaseWeight(context, weight)
})

test.each(["weights_nf4", "weights_nf4_subgroup8"])("the NormalFloat-4 table of %s is the host's", (name) => {
  const source = readFileSync(new URL(`../../gpu-runner/kernels/common/${name}.wgsl`, import.meta.url), "utf8")
  const table = /array<f32, 16>\(([^)]*)\)/.exec(source)![1]!
  const values = table.split(",").flatMap((text) => (text.trim() === "" ? [] : [Number(text)]))
  expect(Float32Array.from(values)).toEqual(NORMAL_FLOAT_4)
})
