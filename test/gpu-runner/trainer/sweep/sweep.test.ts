// The parts of a sweep that need no device: its cells, its label noise, its intervals and its tables.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { withLabelNoise } from "#gpu-runner/trainer/sweep/label-noise.ts"
import { sweepCells } from "#gpu-runner/trainer/sweep/sweep-cells.ts"
import {
  type CellResult,
  groupResults,
  methodDifferences,
  sweepMarkdown,
} from "#gpu-runner/trainer/sweep/sweep-table.ts"
import { meanInterval, studentQuantile95 } from "#shared/evaluation/statistics/mean-interval.ts"

const rows: TokenRow[] = Array.from({ length: 10 }, (_, i) => ({
  id: `row-${i}`,
  promptIds: Uint32Array.of(i),
  chosenIds: Uint32Array.of(1, i),
  rejectedIds: Uint32Array.of(2),
  weight: 1,
  reference: { chosen: { sum: -1 - i, count: 2 }, rejected: { sum: -9, count: 1 } },
}))
const flipped = (share: number, seed: number) =>
  withLabelNoise(rows, share, seed).flatMap(({ id, chosenIds }) => (chosenIds[0] === 2 ? [id] : []))

describe("label noise", () => {
  test("exchanges responses and their references together, and nothing else", () => {
    const noisy = withLabelNoise(rows, 1, 3)
    noisy.forEach((row, i) => {
      const { chosenIds, rejectedIds, reference, ...rest } = rows[i]!
      expect(row).toEqual({
        ...rest,
        chosenIds: rejectedIds,
        rejectedIds: chosenIds,
        reference: { chosen: reference!.rejected, rejected: reference!.chosen },
      })
    })
    expect(withLabelNoise(rows, 0, 3)).toEqual(rows)
  })

  test("takes the share to the row, the same rows for a seed, and of a larger share the smaller one's rows too", () => {
    expect([0.1, 0.2, 0.44, 0.46].map((share) => flipped(share, 1).length)).toEqual([1, 2, 4, 5])
    expect(flipped(0.4, 1)).toEqual(flipped(0.4, 1))
    expect(flipped(0.4, 1)).not.toEqual(flipped(0.4, 2))
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (seed, a, b) => {
          const [less, more] = [flipped(Math.min(a, b), seed), flipped(Math.max(a, b), seed)]
          expect(less.filter((id) => !more.includes(id))).toEqual([])
        },
      ),
    )
  })
})

describe("cells", () => {
  const axes = { methods: ["alpha-dpo", "dpo"], seeds: [1, 2], noise: [0, 0.2], vary: { batch: [4, 8] } }
  const base = { config: { beta: 5, epochs: 2 }, methods: { dpo: { beta: 0.05 } } }

  test("are every combination once, with the method's own keys over the common ones, and names that differ", () => {
    const cells = sweepCells(axes, base)
    expect(cells).toHaveLength(16)
    expect(new Set(cells.map(({ name }) => name)).size).toBe(16)
    expect(cells[0]!.name).toBe("alpha-dpo.noise-0.batch-4.seed-1")
    for (const { config, group, seed } of cells) {
      expect(config).toMatchObject({ method: group.method, beta: group.method === "dpo" ? 0.05 : 5, epochs: 2, seed })
      expect(config.batch).toBe(group.varied.batch)
    }
  })

  test("of one seed come before those of the next", () => {
    expect(sweepCells(axes, base).map(({ seed }) => seed)).toEqual([...Array(8).fill(1), ...Array(8).fill(2)])
  })

  test("that cannot be used are refused by name", () => {
    expect(() => sweepCells(axes, { ...base, methods: {} })).toThrow(
      /cell dpo\.noise-0\.batch-4\.seed-1: .*beta 5 does not belong to dpo.*Keys of one method go under "methods"/,
    )
    expect(() => sweepCells({ ...axes, vary: { bath: [1] } }, base)).toThrow(/unknown key \["bath"\]/)
  })
})

describe("intervals", () => {
  test("of five values are mean ± 2.776 s / √5", () => {
    const { mean, halfWidth, count } = meanInterval([1, 2, 3, 4, 5])
    expect([mean, count]).toEqual([3, 5])
    expect(halfWidth).toBeCloseTo((2.7764 * Math.sqrt(2.5)) / Math.sqrt(5), 10)
    expect(meanInterval([7])).toEqual({ mean: 7, halfWidth: null, count: 1 })
    expect(() => meanInterval([])).toThrow(RangeError)
  })

  test("use Student's quantiles: of the table, and beyond it within 1e-4 of the known ones", () => {
    expect([1, 4, 30].map(studentQuantile95)).toEqual([12.7062, 2.7764, 2.0423])
    // t(0.975) for 31, 40, 60 and 120 degrees of freedom.
    const known = [
      [31, 2.0395],
      [40, 2.0211],
      [60, 2.0003],
      [120, 1.9799],
    ] as const
    for (const [degrees, t] of known) expect(Math.abs(studentQuantile95(degrees) - t)).toBeLessThan(1e-4)
  })
})

const result = (method: string, noise: number, seed: number, accuracy: number, kl: number | null): CellResult => ({
  name: `${method}.${noise}.${seed}`,
  group: { method, noise, varied: {} },
  seed,
  accuracyBefore: 0.5,
  accuracy,
  loss: 1,
  klPerToken: kl,
  steps: 10,
  durationSeconds: 1,
})

test("the table has a row a method and a column a noise, means with their half widths", () => {
  const cells = [
    result("alpha-dpo", 0, 1, 0.8, 0.1),
    result("dpo", 0, 1, 0.7, null),
    result("alpha-dpo", 0.1, 1, 0.6, 0.3),
    result("alpha-dpo", 0, 2, 0.82, 0.2),
  ]
  const [first] = groupResults(cells)
  expect(first).toMatchObject({ method: "alpha-dpo", noise: 0, seeds: [1, 2] })
  expect(first!.accuracy.mean).toBeCloseTo(0.81, 12)
  const lines = sweepMarkdown(cells, 199).split("\n")
  expect(lines[0]).toContain("over seeds 1, 2; 199 held-out pairs; the base model is at 50.0 %")
  expect(lines.slice(4, 8)).toEqual([
    "| method | label noise 0 % | label noise 10 % |",
    "| --- | --- | --- |",
    "| alpha-dpo | 81.0 ± 12.7 | 60.0 |",
    "| dpo | 70.0 | – |",
  ])
  expect(lines).toContain("| alpha-dpo | 0.150 ± 0.635 | 0.300 |")
  expect(lines).toContain("| dpo | – | – |")
  expect(sweepMarkdown([result("dpo", 0, 1, 0.5, -1e-9)], 10)).toContain("| dpo | 0.000 |")
  expect(sweepMarkdown([result("dpo", 0, 1, 0.5, -0.01)], 10)).toContain("| dpo | -0.010 |")
})

test("methods are compared seed by seed, whatever order the cells have and only where both have the seed", () => {
  const cells = [
    result("dpo", 0, 2, 0.6, null),
    result("alpha-dpo", 0, 1, 0.9, null),
    result("alpha-dpo", 0, 2, 0.7, null),
    result("dpo", 0, 1, 0.82, null),
    result("alpha-dpo", 0, 3, 0.1, null),
    result("alpha-dpo", 0.4, 1, 0.5, null),
  ]
  const [only, ...more] = methodDifferences(cells)
  expect(more).toEqual([])
  expect(only).toMatchObject({ methods: "dpo − alpha-dpo", noise: 0, accuracy: { count: 2 } })
  // −.10 and −.08: the spread of accuracies over seeds, .2, is in neither.
  expect(only!.accuracy.mean).toBeCloseTo(-0.09, 12)
  expect(only!.accuracy.halfWidth).toBeCloseTo((12.7062 * 0.01 * Math.SQRT2) / Math.SQRT2, 10)
  expect(sweepMarkdown(cells, 10)).toContain("| dpo − alpha-dpo | -9.0 ± 12.7 |")
  expect(sweepMarkdown([cells[0]!], 10)).not.toContain("seed by seed")
})
