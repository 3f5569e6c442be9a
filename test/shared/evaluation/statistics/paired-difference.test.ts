// Two checkpoints on the same prompts.
import { expect, test } from "vitest"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { pairedDifference, type ScoresByPrompt } from "#shared/evaluation/statistics/paired-difference.ts"
import { uniformSource } from "#test/reference/random.ts"

const scores = (entries: Readonly<Record<string, readonly [total: number, weight: number]>>): ScoresByPrompt =>
  new Map(Object.entries(entries).map(([prompt, [total, weight]]) => [prompt, { total, weight }]))
const resampling = (rounds = 500) => ({ rounds, random: uniformSource(37) })

test("hand-worked: weighted means over the prompts of both, and the others counted", () => {
  const candidate = scores({ a: [2, 2], b: [0.5, 1], c: [1, 1] })
  const champion = scores({ a: [1, 3], b: [1, 1], d: [0, 1] })
  // 2.5/3 − 2/4
  const { difference, prompts, unpaired } = pairedDifference(candidate, champion, resampling())
  expect(difference).toBeCloseTo(1 / 3, 12)
  expect([prompts, unpaired]).toEqual([2, 2])
})

test("what both share cancels: the interval is far narrower than that of two means, and right", () => {
  const uniform = uniformSource(41)
  const prompts = Array.from({ length: 400 }, (_, index) => {
    const difficulty = uniform()
    return [`${index}`, difficulty, Math.min(1, difficulty + 0.1 * uniform())] as const
  })
  const champion = scores(Object.fromEntries(prompts.map(([prompt, score]) => [prompt, [score, 1]])))
  const candidate = scores(Object.fromEntries(prompts.map(([prompt, , score]) => [prompt, [score, 1]])))
  const { difference, low, high } = pairedDifference(candidate, champion, resampling())
  const gaps = prompts.map(([, one, other]) => other - one)
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const error = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0)) / gaps.length
  expect(difference).toBeCloseTo(mean, 12)
  expect((high - low) / (2 * 1.96 * error)).toBeCloseTo(1, 0)
  expect(high - low).toBeLessThan(0.01)
  // Of two means apart: 2·1.96·√(2/12/400)
  expect(high - low).toBeLessThan(0.08 / 5)
  expect(low).toBeGreaterThan(0)
})

test("exchanged, the difference turns round; the same against itself is 0 without a width", () => {
  const one = scores({ a: [1, 1], b: [0, 1], c: [0.5, 1] })
  const other = scores({ c: [0, 1], b: [0, 1], a: [0.5, 1] })
  const [straight, turned] = [pairedDifference(one, other, resampling()), pairedDifference(other, one, resampling())]
  expect(turned.difference).toBe(-straight.difference)
  expect(turned.low).toBeCloseTo(-straight.high, 12)
  expect(pairedDifference(one, one, resampling())).toMatchObject({ difference: 0, low: 0, high: 0 })
})

test("without a prompt in common nothing is compared", () => {
  expect(() => pairedDifference(scores({ a: [1, 1] }), scores({ b: [1, 1] }), resampling())).toThrow(TooLittleJudged)
})
