// Coded matrices against their exact twin on the host: bit for bit, in every kind, at any size, whole, in several buffers and row by row.
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import {
  type CodedWeight,
  expand,
  expandRows,
  isCoded,
  operandRanges,
  releaseWeight,
  uploadWeight,
} from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { widenFloat16 } from "#shared/formats/weights/half-float.ts"
import { NORMAL_FLOAT_4 } from "#shared/formats/weights/normal-float.ts"
import {
  expandMatrix,
  type HostMatrix,
  storeMatrix,
  WEIGHT_KINDS,
  type WeightKind,
} from "#shared/formats/weights/quantisation.ts"
import { type Tensor, tensorOf } from "#shared/formats/weights/tensor.ts"
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

// Rows, columns, bytes of a range, how many ranges that makes: steps of 4 rows of 64 channels, of 1 row of 256, of 64 rows of 192.
const RANGED = [
  [11, 64, 1024, 3],
  [3, 256, 2047, 3],
  [150, 192, 50_000, 3],
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

async function valuesOf(context: OpContext, matrix: HostMatrix, ids: Uint32Array) {
  const weight = uploadWeight(context, matrix, "weight")
  const listed = expandRows(context, weight, uploaded(context, ids, [ids.length], "ids"))
  const whole = operandRanges(weight).map(({ operand }) => (isCoded(operand) ? expand(context, operand) : operand))
  const [listedValues, ...wholeValues] = await readback(context, [listed, ...whole])
  releaseWeight(context, weight)
  return { whole: wholeValues.flatMap(bits), listed: bits(listedValues!), rangeCount: whole.length }
}

for (const kind of WEIGHT_KINDS) {
  executingTest(`${kind} matrices expand to the host's values, bit for bit`, async (context) => {
    for (const [rows, columns] of SHAPES) {
      const matrix = randomMatrix(rows, columns, kind)
      const expected = expandMatrix(matrix)
      const ids = randomIndices("ids", 11, rows)
      const actual = await valuesOf(context, matrix, ids)
      const shape = `[${rows}, ${columns}]`
      expect(actual.rangeCount).toBe(1)
      expect(actual.whole, `${shape} whole`).toEqual(bits(expected))
      const gathered = [...ids].flatMap((id) => bits(expected.slice(id * columns, (id + 1) * columns)))
      expect(actual.listed, `${shape} rows by number`).toEqual(gathered)
    }
  })

  executingTest(
    `${kind} matrices in several buffers hold the same values, and look-ups find their range`,
    async (context) => {
      for (const [rows, columns, rangeBytes, rangeCount] of RANGED) {
        const matrix = randomMatrix(rows, columns, kind)
        const ids = randomIndices("ids", 40, rows)
        const whole = await valuesOf(context, matrix, ids)
        const ranged = await valuesOf({ ...context, matrixRangeBytes: rangeBytes }, matrix, ids)
        expect(ranged).toEqual({ ...whole, rangeCount })
      }
    },
  )
}

executingTest("a row of a matrix that is larger than a buffer is refused, and leaves nothing behind", (context) => {
  const before = context.memory.statistics().usedBytes
  const narrow = { ...context, matrixRangeBytes: 256 }
  expect(() => uploadWeight(narrow, randomMatrix(9, 192, "bf16"), "weight")).toThrow(
    "Tensor 4 rows of weight needs 3072 bytes, this adapter binds at most 256.",
  )
  expect(context.memory.statistics().usedBytes).toBe(before)
})

executingTest("every finite f16 value is expanded exactly, subnormal ones included", async (context) => {
  const halves = Uint16Array.from({ length: 0x10000 }, (_, bits) => ((bits & 0x7c00) === 0x7c00 ? 0 : bits))
  const tensor: Tensor = { name: "w", dtype: "F16", shape: [64, 1024], data: new Uint8Array(halves.buffer) }
  const weight = uploadWeight(context, storeMatrix(tensor, "f16"), "halves")
  const [values] = await readback(context, [expand(context, weight as CodedWeight)])
  expect(bits(values!)).toEqual(bits(widenFloat16(halves)))
  releaseWeight(context, weight)
})

test("the kernels' NormalFloat-4 table is the host's", () => {
  const source = readFileSync(new URL("../../gpu-runner/kernels/common/nf4_table.wgsl", import.meta.url), "utf8")
  const table = /array<f32, 16>\(([^)]*)\)/.exec(source)![1]!
  const values = table.split(",").flatMap((text) => (text.trim() === "" ? [] : [Number(text)]))
  expect(Float32Array.from(values)).toEqual(NORMAL_FLOAT_4)
})
