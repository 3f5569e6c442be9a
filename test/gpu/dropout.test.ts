// Dropout's mask against its twin, bit for bit, and against what a mask must be: of the right mean, and of independent elements.
import { expect, test } from "vitest"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { mixedSeed, tokenSeeds } from "#gpu-runner/models/adapter-dropout.ts"
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
    const seeds = Uint32Array.from({ length: rows }, (_, row) => mixedSeed([row]))
    const rowSeeds = uploaded(context, seeds, [rows], "seeds")
    return compareOp(context, {
      inputs: { input: normal64("input", [rows, columns]) },
      reference: {
        forward: ({ input }) => dropout64(input, options, seeds),
        backward: (_, dOutput) => ({ input: dropout64(dOutput, options, seeds) }),
      },
      device: {
        forward: (ctx, { input }) => dropout(ctx, input, { ...options, rowSeeds }),
        backward: (ctx, _, dOutput) => ({ input: dropout(ctx, dOutput, { ...options, rowSeeds }) }),
      },
    })
  })
}

executingTest(
  "the device drops exactly the elements that the twin drops, for seeds and rates at their ends",
  async (context) => {
    const [rows, columns] = [3, 1667]
    const count = rows * columns
    const ones = uploaded(context, new Float32Array(count).fill(1), [rows, columns], "ones")
    const seeds = Uint32Array.of(0, 2 ** 32 - 1, 2 ** 31)
    const rowSeeds = uploaded(context, seeds, [rows], "seeds")
    for (const seed of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
      for (const rate of [0, 1e-3, 0.5, 0.999]) {
        const [values] = await readback(context, [dropout(context, ones, { rate, seed, rowSeeds })])
        const expected = Float32Array.from({ length: count }, (_, i) =>
          isKept(i % columns, { rate, seed }, seeds[Math.floor(i / columns)]) ? 1 / (1 - rate) : 0,
        )
        expect(values, `seed ${seed}, rate ${rate}`).toEqual(expected)
      }
    }
  },
)

executingTest("a rate of 0 keeps every bit", async (context) => {
  const input = Float32Array.from(normal64("input", [1001]).data)
  const rowSeeds = uploaded(context, Uint32Array.of(5, 6, 7), [3], "seeds")
  const [values] = await readback(context, [
    dropout(context, uploaded(context, input.subarray(0, 999), [3, 333], "input"), { rate: 0, seed: 7, rowSeeds }),
  ])
  expect(values).toEqual(input.subarray(0, 999))
})

executingTest("a rate of 1, which would divide by 0, and seeds that are no u32 are refused", (context) => {
  const input = zeros(context, [1, 4], "input")
  const rowSeeds = uploaded(context, Uint32Array.of(1), [1], "seeds")
  expect(() => dropout(context, input, { rate: 1, seed: 0, rowSeeds })).toThrow("the rate is 1; it must be in [0, 1)")
  expect(() => dropout(context, input, { rate: -0.1, seed: 0, rowSeeds })).toThrow("the rate is -0.1")
  expect(() => dropout(context, input, { rate: 0.1, seed: 2 ** 32, rowSeeds })).toThrow("the seed is 4294967296")
  expect(() => dropout(context, input, { rate: 0.1, seed: 0.5, rowSeeds })).toThrow("the seed is 0.5")
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

test("rows of other seeds, as neighbouring tokens and rows have them, are dropped independently", () => {
  const rate = 0.1
  const columns = 64
  const seeds = tokenSeeds(
    Uint32Array.from({ length: 2 * (COUNT / columns) }, (_, i) => i % 7),
    [COUNT / columns, COUNT / columns],
  )
  const mask =
    (shift: number, seed = 9) =>
    (i: number) =>
      isKept(i % columns, { rate, seed }, seeds[Math.floor(i / columns) + shift])
  for (const shift of [1, 2, 7, 64]) {
    expect(Math.abs(correlation(mask(0), mask(shift), rate)), `rows +${shift}`).toBeLessThan(4)
    expect(Math.abs(correlation(mask(0), mask(shift, 10), rate)), `rows +${shift}, seed +1`).toBeLessThan(4)
  }
})

test("a token's seed follows from its row's ids and its place there, wherever the row stands", () => {
  const [first, second] = [
    [3, 1, 4, 1],
    [5, 9],
  ]
  const forward = tokenSeeds(Uint32Array.from([...first, ...second]), [4, 2])
  const swapped = tokenSeeds(Uint32Array.from([...second, ...first]), [2, 4])
  expect([...swapped.subarray(2), ...swapped.subarray(0, 2)]).toEqual([...forward])
  expect(new Set(forward).size).toBe(6)
  expect(tokenSeeds(Uint32Array.from([3, 1, 4, 2]), [4])[0]).not.toBe(forward[0])
})
