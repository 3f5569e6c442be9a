// The device layout of rows, and their division into micro-batches.
import { expect, test } from "vitest"
import { microBatches, packRows } from "#gpu-runner/data/rows/pack-rows.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"

const row = (id: string, prompt: number[], chosen: number[], rejected: number[]): TokenRow => ({
  id,
  promptIds: Uint32Array.from(prompt),
  chosenIds: Uint32Array.from(chosen),
  rejectedIds: Uint32Array.from(rejected),
  weight: 1,
})

test("both first response tokens are predicted by the last prompt token", () => {
  const packed = packRows([row("a", [1, 2], [3, 4, 5], [6, 7]), row("b", [8], [9], [])])
  expect([...packed.tokenIds]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect([...packed.targets]).toEqual([3, 4, 5, 6, 7, 9])
  expect([...packed.predictionRows]).toEqual([1, 2, 3, 1, 5, 7])
  expect([...packed.scoredOffsets]).toEqual([0, 5, 6])
  expect(packed.rows).toEqual([
    { promptLength: 2, chosenLength: 3, rejectedLength: 2 },
    { promptLength: 1, chosenLength: 1, rejectedLength: 0 },
  ])
})

test("micro-batches keep the order, respect the budget, and give a longer row a batch of its own", () => {
  const rows = [3, 4, 20, 2, 2].map((length, i) => row(`${i}`, Array(length - 1).fill(1), [2], []))
  const ids = microBatches(rows, 8).map((group) => group.map(({ id }) => id))
  expect(ids).toEqual([["0", "1"], ["2"], ["3", "4"]])
})

test("a micro-batch may fill its budget exactly, and one token more begins the next", () => {
  const rows = [row("0", [1], [2], [3]), row("1", [1, 1], [2], [3, 3])]
  const sizes = (tokenBudget: number) => microBatches(rows, tokenBudget).map((group) => group.length)
  expect(sizes(9)).toEqual([2])
  expect(sizes(8)).toEqual([2])
  expect(sizes(7)).toEqual([1, 1])
  expect(microBatches([], 8)).toEqual([])
})
