// Which rows the test before the first step looks at.
import { expect, test } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { selfTestSample } from "#gpu-runner/trainer/run/self-test.ts"

const reference = { chosen: { sum: -1, count: 1 }, rejected: { sum: -1, count: 1 } }
/** Rows of 30 tokens each. */
const rows = (count: number): TokenRow[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `${index}`,
    promptIds: new Uint32Array(10),
    chosenIds: new Uint32Array(10),
    rejectedIds: new Uint32Array(10),
    weight: 1,
    reference,
  }))

const idsOf = (sample: readonly TokenRow[]) => sample.map(({ id }) => Number(id))

test("the sample is 16 rows spread over the data, or all of fewer, without rows that have no reference", () => {
  expect(idsOf(selfTestSample(rows(32), 1e9))).toEqual(Array.from({ length: 16 }, (_, i) => 2 * i))
  expect(idsOf(selfTestSample(rows(3), 1e9))).toEqual([0, 1, 2])
  expect(selfTestSample([{ ...rows(1)[0]!, reference: undefined }], 1e9)).toEqual([])
})

test("a limit of tokens leaves fewer rows, still spread, and two however long they are", () => {
  expect(idsOf(selfTestSample(rows(32), 256))).toEqual([0, 4, 8, 12, 16, 20, 24, 28])
  expect(idsOf(selfTestSample(rows(32), 10))).toEqual([0, 16])
  expect(idsOf(selfTestSample(rows(1), 10))).toEqual([0])
})
