// Dropout's mask against its twin, bit for bit, and against what a mask must be: of the right mean, and of independent elements.
import { expect, test } from "vitest"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { dropout } from "#gpu-runner/ops/elementwise/dropout.ts"
import { zeros } from "#gpu-runner/ops/elementwise/elementwise.ts"
import { dropout as dropout64, isKept } from "#test/reference/dropout.ts"
import { normal64 } from "#test/reference/random.ts"
import { compareOp } from "./compare-op.ts"
import { executingTest } from "./lanes.ts"

for (const [rows, columns] of [
  [1, 1],
  [3, 5],
  [65, 36],
] as const) {
  executingTest(`dropout of [${rows}, ${columns}] and its gradient agree with f64`, (context) => {
    const options = { rate: 0.3, seed: 12_345 }
    return compareOp(context, {
      inputs: { input: normal64("input", [rows, columns]) },
      reference: {
        forward: ({ input }) => dropout64(input, options),
        backward: (_, dOutput) => ({ input: dropout64(dOutput, options) }),
      },
      device: {
        forward: (ctx, { input }) => dropout(ctx, input, options),
        backward: (ctx, _, dOutput) => ({ input: dropout(ctx, dOutput, options) }),
      },
    })
  })
}

executingTest(
  "the device drops exactly the elements that the twin drops, for seeds and rates at their ends",
  async (context) => {
    const count = 5000
    const ones = uploaded(context, new Float32Array(count).fill(1), [count], "ones")
    for (const seed of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
      for (const rate of [0, 1e-3, 0.5, 0.999]) {
        const [values] = await readback(context, [dropout(context, ones, { rate, seed })])
        const expected = Float32Array.from({ length: count }, (_, i) =>
          isKept(i, { rate, seed }) ? 1 / (1 - rate) : 0,
        )
        expect(values, `seed ${seed}, rate ${rate}`).toEqual(expected)
      }
    }
  },
)

executingTest("a rate of 0 keeps every bit", async (context) => {
  const input = Float32Array.from(normal64("input", [1001]).data)
  const [values] = await readback(context, [
    dropout(context, uploaded(context, input, [1001], "input"), { rate: 0, seed: 7 }),
  ])
  expect(values).toEqual(input)
})

executingTest("a rate of 1, which would divide by 0, and seeds that are no u32 are refused", (context) => {
  const input = zeros(context, [4], "input")
  expect(() => dropout(context, input, { rate: 1, seed: 0 })).toThrow("the rate is 1; it must be in [0, 1)")
  expect(() => dropout(context, input, { rate: -0.1, seed: 0 })).toThrow("the rate is -0.1")
  expect(() => dropout(context, input, { rate: 0.1, seed: 2 ** 32 })).toThrow("the seed is 4294967296")
  expect(() => dropout(context, input, { rate: 0.1, seed: 0.5 })).toThrow("the seed is 0.5")
})

const COUNT = 200_000

/** Correlation of two masks' survivors, in standard deviations of a correlation of independent ones. */
function correlation(left: (i: number) => boolean, right: (i: number) => boolean, rate: number): number {
  let sum = 0
  for (let i = 0; i < COUNT; i++) sum += (Number(left(i)) - (1 - rate)) * (Number(right(i)) - (1 - rate))
  return sum / (rate * (1 - rate) * Math.sqrt(COUNT))
}

test("masks have the mean and variance of their rate within four standard deviations, for many seeds", () => {
  for (const rate of [0.01, 0.05, 0.1, 0.5, 0.9]) {
    for (let seed = 0; seed < 20; seed++) {
      let kept = 0
      for (let i = 0; i < COUNT; i++) kept += Number(isKept(i, { rate, seed }))
      const deviation = Math.sqrt(COUNT * rate * (1 - rate))
      expect(Math.abs(kept - COUNT * (1 - rate)), `rate ${rate}, seed ${seed}`).toBeLessThan(4 * deviation)
    }
  }
})

test("neighbouring elements, rows and seeds are dropped independently", () => {
  const rate = 0.1
  for (const seed of [0, 1, 77, 2 ** 31]) {
    const mask =
      (shift: number, otherSeed = seed) =>
      (i: number) =>
        isKept(i + shift, { rate, seed: otherSeed })
    for (const lag of [1, 2, 4, 64, 256, 4096]) {
      expect(Math.abs(correlation(mask(0), mask(lag), rate)), `lag ${lag}, seed ${seed}`).toBeLessThan(4)
    }
    for (const other of [1, 2, 3, 1024]) {
      expect(Math.abs(correlation(mask(0), mask(0, seed + other), rate)), `seeds ${seed}, +${other}`).toBeLessThan(4)
      expect(Math.abs(correlation(mask(0), mask(other, seed + other), rate)), `both +${other}`).toBeLessThan(4)
    }
  }
})
