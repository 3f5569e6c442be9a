// Scores without control: hand-worked games, the Bradley-Terry estimate as a law, and the intervals of both modes.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { battlesOf, type JudgedQuestion } from "#shared/evaluation/arena-hard/battles.ts"
import { intervalOf } from "#shared/evaluation/arena-hard/interval.ts"
import { VERDICTS, type Verdict } from "#shared/evaluation/arena-hard/verdict.ts"
import { winRate } from "#shared/evaluation/arena-hard/win-rate.ts"
import { TooLittleJudged } from "#shared/evaluation/evaluation-error.ts"
import { referenceArenaScores } from "#test/reference/arena-hard.ts"
import { uniformSource } from "#test/reference/random.ts"
import { syntheticGames } from "./synthetic-games.ts"

const judged = (...games: readonly (readonly (Verdict | undefined)[])[]): JudgedQuestion[] =>
  games.map((verdicts, index) => ({ question: `q${index}`, verdicts, style: undefined }))
const scoreOf = (questions: readonly JudgedQuestion[], version: "0.1" | "2.0" = "0.1") =>
  winRate(battlesOf(questions, version), version, "cluster", undefined).score

test("a score is the weighted share of games: 3 won and 1 lost of 5.5 with a tie", () => {
  // won ×3 and ×1, a tie, lost ×1: (3 + 1 + ½) / 6
  expect(scoreOf(judged(["B>>A", "A>B"], ["A=B", "B>A"]))).toBe(75)
  expect(scoreOf(judged(["A>>B", "B>>A"]))).toBe(0)
})

test("of a question with one verdict v0.1 counts that game, v2.0 none", () => {
  const questions = judged(["B>A", undefined], ["A>B", "B>A"], ["B>A"])
  expect(battlesOf(questions, "0.1").droppedGames).toBe(2)
  expect(scoreOf(questions, "0.1")).toBe(50)
  expect(battlesOf(questions, "2.0").droppedGames).toBe(4)
  expect(scoreOf(questions, "2.0")).toBe(0)
})

test("a second game whose first has no verdict is still the second", () => {
  expect(scoreOf(judged([undefined, "A>B"]))).toBe(100)
})

test("without a game that counts there is no score", () => {
  expect(() => scoreOf(judged(["A>B", undefined]), "2.0")).toThrow(TooLittleJudged)
})

const games = fc.array(fc.tuple(fc.constantFrom(...VERDICTS), fc.constantFrom(...VERDICTS, undefined)), {
  minLength: 3,
  maxLength: 30,
})

test("law: the score is the Bradley-Terry estimate of the authors' rows", () => {
  fc.assert(
    fc.property(games, (verdicts) => {
      const questions = judged(...verdicts, ["B>A", "B>A"]).map((each) => ({ ...each, style: [0, 0, 0, 0] as const }))
      const styles = new Map(questions.map(({ question }) => [question, [0, 0, 0, 0] as const]))
      const estimate = referenceArenaScores(new Map([["m", questions]]), styles, "0.1", [], { ridge: 0 })
      expect(Math.abs(scoreOf(questions) - estimate.scores.get("m")!)).toBeLessThan(1e-9)
    }),
    { numRuns: 50 },
  )
})

test("law: neither order nor names of questions change a score, nor its interval's draws", () => {
  fc.assert(
    fc.property(games, fc.integer({ min: 1, max: 28 }), (verdicts, turn) => {
      const questions = judged(...verdicts)
      const turned = [...questions.slice(turn), ...questions.slice(0, turn)]
      const drawn = (of: JudgedQuestion[]) =>
        winRate(battlesOf(of, "0.1"), "0.1", "cluster", { rounds: 5, random: uniformSource(1) })
      expect(drawn(turned)).toEqual(drawn(questions))
    }),
    { numRuns: 50 },
  )
})

describe("intervals", () => {
  const questions = syntheticGames("intervals", 400).models.get("middling")!
  const drawn = (mode: "cluster" | "row", version: "0.1" | "2.0" = "0.1", seed = 3) =>
    winRate(battlesOf(questions, version), version, mode, { rounds: 2000, random: uniformSource(seed) })
  const width = ({ low, high }: { low?: number; high?: number }) => high! - low!

  test("one seed, one interval; another seed, another one nearby", () => {
    expect(drawn("cluster")).toEqual(drawn("cluster"))
    const [one, other] = [drawn("cluster"), drawn("cluster", "0.1", 4)]
    expect(one.low).not.toBe(other.low)
    expect(Math.abs(one.low! - other.low!)).toBeLessThan(0.6)
  })

  test("of rows are as wide as the rows' own deviation says, of questions as the deviation of clusters", () => {
    const { battles } = battlesOf(questions, "0.1")
    const rows = battles.flatMap(({ plays }) => plays.flatMap(({ weight, score }) => Array<number>(weight).fill(score)))
    const mean = rows.reduce((sum, row) => sum + row, 0) / rows.length
    const rowError = Math.sqrt(rows.reduce((sum, row) => sum + (row - mean) ** 2, 0)) / rows.length
    // A ratio's error: of each question the sum of w·(s − mean), over all weights.
    const clusters = battles.map(({ plays }) =>
      plays.reduce((sum, { weight, score }) => sum + weight * (score - mean), 0),
    )
    const clusterError = Math.sqrt(clusters.reduce((sum, each) => sum + each ** 2, 0)) / rows.length
    const bound = (error: number) => 2 * 1.96 * 100 * error
    expect(width(drawn("row")) / bound(rowError)).toBeCloseTo(1, 1)
    expect(width(drawn("cluster")) / bound(clusterError)).toBeCloseTo(1, 1)
    expect(clusterError / rowError).toBeGreaterThan(1.3)
  })

  test("a draw is the share of what was drawn: of one question or row again and again, of all in their order", () => {
    // Of the second question 3 won, 1 lost; of the rows the fourth is its first.
    const two = battlesOf(judged(["A>B", "B>>A"], ["B>>A", "B>A"]), "2.0")
    const spanned = (mode: "cluster" | "row", random: () => number) => {
      const { low, high } = winRate(two, "2.0", mode, { rounds: 1, random })
      expect(high).toBe(low)
      return low
    }
    expect([spanned("cluster", () => 0), spanned("cluster", () => 0.99)]).toEqual([0, 75])
    expect([spanned("row", () => 0), spanned("row", () => 0.55), spanned("row", () => 0.99)]).toEqual([0, 100, 0])
    let [question, row] = [0, 0]
    expect(spanned("cluster", () => (question++ + 0.5) / 2)).toBe(37.5)
    expect(spanned("row", () => (row++ + 0.5) / 8)).toBe(37.5)
  })

  test("v0.1 spans 95 % of the draws, v2.0 90 %", () => {
    expect(width(drawn("row", "2.0")) / width(drawn("row"))).toBeCloseTo(1.645 / 1.96, 1)
  })

  test("v0.1 takes percentiles of ratings, v2.0 of shares", () => {
    const shares = [0.2, 0.8]
    expect(intervalOf(shares, "2.0").low).toBeCloseTo(23, 10)
    const odds = Math.log(0.25) * (1 - 0.05)
    expect(intervalOf(shares, "0.1").low).toBeCloseTo(100 / (1 + Math.exp(-odds)), 10)
    expect(intervalOf([0, 0, 1], "0.1")).toEqual({ low: 0, high: 95 })
  })
})
