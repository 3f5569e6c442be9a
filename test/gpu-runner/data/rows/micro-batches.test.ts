// Rows in groups of at most so many tokens.
import { expect, test } from "vitest"
import { microBatches } from "#gpu-runner/data/rows/micro-batches.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"

const row = (id: string, prompt: number[], chosen: number[], rejected: number[]): TokenRow => ({
  id,
  promptIds: Uint32Array.from(prompt),
  chosenIds: Uint32Array.from(chosen),
  rejectedIds: Uint32Array.from(rejected),
  weight: 1,
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
