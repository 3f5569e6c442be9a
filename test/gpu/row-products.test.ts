// Products of single ones of the laid-out rows, and their weighted sum, against f64.
import { expect } from "vitest"
import { ShapeMismatch } from "#gpu-runner/device/errors.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { fill, zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { addWeightedSlots, rowProducts, uploadSegments } from "#gpu-runner/ops/matmul/row-products.ts"
import { normal64 } from "#test/reference/random.ts"
import { rowProducts as rowProducts64, weightedSlots } from "#test/reference/row-products.ts"
import { relativeError, uploaded64 } from "./compare-op.ts"
import { executingTest } from "./lanes.ts"

const LENGTHS = [5, 1, 33, 90]

// Both sides of a block of 8, odd numbers of Lane4s, and sizes that are no multiple of 4.
for (const [m, n] of [
  [8, 32],
  [32, 8],
  [4, 12],
  [20, 16],
  [16, 4],
  [3, 8],
  [6, 5],
  [1, 1],
] as const) {
  executingTest(
    `a product of [${m}, ${n}] for each of the laid-out rows goes into the row's slot alone`,
    async (context) => {
      const tokens = LENGTHS.reduce((sum, length) => sum + length, 0)
      const [left, right] = [normal64("left", [tokens, m]), normal64("right", [tokens, n], { outlierEvery: 7 })]
      const factors = normal64("factors", [LENGTHS.length + 2])
      const starts = [0, ...LENGTHS.map((_, i) => LENGTHS.slice(0, i + 1).reduce((sum, length) => sum + length, 0))]
      const expected = rowProducts64(left, right, starts, 0.5)

      const slots = context.memory.allocate([LENGTHS.length + 2, m, n], "f32", "slots")
      fill(context, slots, 1)
      const segments = uploadSegments(context, LENGTHS, "segments")
      const tensors = [uploaded64(context, left, "left"), uploaded64(context, right, "right")] as const
      rowProducts(context, ...tensors, segments, slots, { firstSlot: 1, scale: 0.5 })
      const sum = zeros(context, [m, n], "sum")
      fill(context, sum, 2)
      addWeightedSlots(context, slots, uploaded64(context, factors, "factors"), sum)

      const [values, total] = await readback(context, [slots, sum])
      const inner = values!.subarray(m * n, values!.length - m * n)
      expect(relativeError(inner, expected.data)).toBeLessThan(1e-5)
      const untouched = [...values!.subarray(0, m * n), ...values!.subarray(values!.length - m * n)]
      expect(untouched.every((value) => value === 1)).toBe(true)
      const all = { shape: [LENGTHS.length + 2, m, n], data: Float64Array.from(values!) }
      const expectedTotal = weightedSlots(all, factors).data.map((value) => value + 2)
      expect(relativeError(total!, expectedTotal)).toBeLessThan(1e-5)
    },
  )
}

executingTest("segments that do not fit into the slots, or do not cover the tokens, are refused", (context) => {
  const [left, right] = [zeros(context, [6, 4], "left"), zeros(context, [6, 8], "right")]
  const slots = zeros(context, [2, 4, 8], "slots")
  const run = (lengths: readonly number[], firstSlot: number) => () =>
    rowProducts(context, left, right, uploadSegments(context, lengths, "segments"), slots, { firstSlot })
  expect(run([2, 4], 1)).toThrow(ShapeMismatch)
  expect(run([2, 4], 1)).toThrow("2 segments from slot 1 do not fit into [2,4,8]")
  expect(run([2, 3], 0)).toThrow(ShapeMismatch)
  expect(run([2, 4], 0)).not.toThrow()
})
