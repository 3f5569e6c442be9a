// Where matrices are cut: the tables of published models on adapters of several sizes, and what makes a checkpoint independent of it.
import { describe, expect, test } from "vitest"
import { rowRanges } from "#gpu-runner/ops/matmul/matrix-ranges.ts"

const MIB = 2 ** 20

/** Rows of all ranges but the last, and of the last; how many there are. */
function shapeOf(rangeBytes: number, rows: number, columns: number) {
  const ranges = rowRanges(rangeBytes, rows, columns, "table")
  return { each: ranges[0]!.rowCount, last: ranges.at(-1)!.rowCount, count: ranges.length }
}

describe("ranges of rows", () => {
  test.each([
    ["Llama 3.2 1B", 128_256, 2048, 128 * MIB, { each: 16_384, last: 13_568, count: 8 }],
    ["Llama 3.2 1B", 128_256, 2048, 256 * MIB, { each: 32_768, last: 29_952, count: 4 }],
    ["Llama 3 8B", 128_256, 4096, 256 * MIB, { each: 16_384, last: 13_568, count: 8 }],
    ["Gemma 2 2B", 256_000, 2304, 128 * MIB, { each: 14_528, last: 9024, count: 18 }],
    ["Qwen 2.5 0.5B", 151_936, 896, 256 * MIB, { each: 74_880, last: 2176, count: 3 }],
    ["SmolLM2 135M", 49_152, 576, 128 * MIB, { each: 49_152, last: 49_152, count: 1 }],
  ])("of %s's table, [%i, %i] in buffers of %i bytes", (_, rows, columns, rangeBytes, expected) => {
    expect(shapeOf(rangeBytes, rows, columns)).toEqual(expected)
  })

  test("follow each other, fit, begin at multiples of 64 rows, and hold whole blocks of 256 elements", () => {
    for (const columns of [100, 576, 577, 4096]) {
      const rangeBytes = 2 ** 21
      const ranges = rowRanges(rangeBytes, 30_011, columns, "table")
      let next = 0
      for (const { firstRow, rowCount } of ranges) {
        expect(firstRow).toBe(next)
        expect(firstRow % 64).toBe(0)
        expect((firstRow * columns) % 256).toBe(0)
        expect(4 * rowCount * columns).toBeLessThanOrEqual(rangeBytes)
        next += rowCount
      }
      expect(next).toBe(30_011)
    }
  })

  test("of fewer than 64 rows still hold whole blocks, and rows that no buffer holds are refused by name", () => {
    expect(rowRanges(3072, 64, 32, "table").map(({ rowCount }) => rowCount)).toEqual([24, 24, 16])
    expect(() => rowRanges(1000, 64, 32, "table")).toThrow("Tensor 8 rows of table needs 1024 bytes")
  })
})
