// MT-Bench's score of hand-worked ratings.
import { expect, test } from "vitest"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { mtBenchScore } from "#shared/evaluation/mt-bench/score.ts"
import { uniformSource } from "#test/reference/random.ts"

const rated = (question: string, turn: number, rating: number | undefined) => ({ question, turn, rating })

test("a score is the mean of all ratings, not of the turns' means; what is missing is counted and left out", () => {
  const all = [rated("a", 2, 4), rated("a", 1, 9), rated("b", 1, 8), rated("b", 2, undefined), rated("c", 1, 7)]
  const { score, turns, rated: count, missing, interval } = mtBenchScore(all)
  expect([score, count, missing, interval]).toEqual([7, 4, 1, undefined])
  expect([...turns]).toEqual([
    [1, 8],
    [2, 4],
  ])
})

test("without a rating there is no score", () => {
  expect(() => mtBenchScore([rated("a", 1, undefined)])).toThrow(TooLittleJudged)
})

test("an interval draws questions with all their turns: two turns that agree tell no more than one", () => {
  const once = Array.from({ length: 40 }, (_, index) => rated(`${index}`, 1, 1 + (index % 10)))
  const twice = once.flatMap((each) => [each, { ...each, turn: 2 }])
  const intervalOf = (all: typeof once) => mtBenchScore(all, { rounds: 500, random: uniformSource(2) }).interval!
  expect(intervalOf(twice)).toEqual(intervalOf(once))
  const [low, high] = intervalOf(once)
  // 2·1.96·s/√n with s = 2.872
  expect(high - low).toBeGreaterThan(1.78 * 0.85)
  expect(high - low).toBeLessThan(1.78 * 1.15)
  expect(intervalOf(once.toReversed())).toEqual(intervalOf(once))
})
