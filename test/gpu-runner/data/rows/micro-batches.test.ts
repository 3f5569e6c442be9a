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
