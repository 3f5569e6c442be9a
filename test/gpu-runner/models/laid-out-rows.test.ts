// Rows as they lie on the device.
import { expect, test } from "vitest"
import { layOutRows } from "#gpu-runner/models/laid-out-rows.ts"

const row = (prompt: number[], chosen: number[], rejected: number[]) => ({
  promptIds: Uint32Array.from(prompt),
  chosenIds: Uint32Array.from(chosen),
  rejectedIds: Uint32Array.from(rejected),
})

test("both first response tokens are predicted by the last prompt token", () => {
  const laidOut = layOutRows([row([1, 2], [3, 4, 5], [6, 7]), row([8], [9], [])])
  expect([...laidOut.tokenIds]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect([...laidOut.targets]).toEqual([3, 4, 5, 6, 7, 9])
  expect([...laidOut.predictionRows]).toEqual([1, 2, 3, 1, 5, 7])
  expect([...laidOut.scoredOffsets]).toEqual([0, 5, 6])
  expect(laidOut.rows).toEqual([
    { promptLength: 2, chosenLength: 3, rejectedLength: 2 },
    { promptLength: 1, chosenLength: 1, rejectedLength: 0 },
  ])
})
