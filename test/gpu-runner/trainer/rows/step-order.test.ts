// The order of the steps: every row once an epoch, in an order that the seed alone decides.
import { expect, test } from "vitest"
import { stepOrder, stepSizes } from "#gpu-runner/trainer/rows/step-order.ts"

const options = { rowCount: 10, batch: 4, epochs: 3, maxSteps: 0, shuffle: true, seed: 7 }
const epoch = (order: ReturnType<typeof stepOrder>, number: number) =>
  [0, 1, 2].flatMap((step) => [...order.rowsOf(3 * number + step)])

test("an epoch covers every row once, its last step with what is left", () => {
  const order = stepOrder(options)
  expect(order.stepCount).toBe(9)
  expect(order.rowsOf(2)).toHaveLength(2)
  for (const number of [0, 1, 2])
    expect(epoch(order, number).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(order.epochAfter(0)).toBe(0.4)
  expect(order.epochAfter(8)).toBe(3)
})

test("epochs differ, seeds differ, and the same seed gives the same order from any step on", () => {
  const order = stepOrder(options)
  expect(epoch(order, 0)).not.toEqual(epoch(order, 1))
  expect(epoch(order, 0)).not.toEqual(epoch(stepOrder({ ...options, seed: 8 }), 0))
  expect([...stepOrder(options).rowsOf(7)]).toEqual([...order.rowsOf(7)])
})

test("without shuffling the order is the file's", () => {
  expect(epoch(stepOrder({ ...options, shuffle: false }), 1)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test("maxSteps takes the place of epochs: it cuts them short, or passes over the data again", () => {
  expect(stepOrder({ ...options, maxSteps: 4 }).stepCount).toBe(4)
  const longer = stepOrder({ ...options, maxSteps: 14 })
  expect(longer.stepCount).toBe(14)
  expect(epoch(longer, 3).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(longer.epochAfter(13)).toBe(4.8)
})

test("the sizes of a run's steps: the full one, and an epoch's last one where the run gets there", () => {
  expect(stepSizes(stepOrder(options))).toEqual([4, 2])
  expect(stepSizes(stepOrder({ ...options, maxSteps: 2 }))).toEqual([4])
  expect(stepSizes(stepOrder({ ...options, rowCount: 3 }))).toEqual([3])
  expect(stepSizes(stepOrder({ ...options, rowCount: 8, maxSteps: 50 }))).toEqual([4])
})
