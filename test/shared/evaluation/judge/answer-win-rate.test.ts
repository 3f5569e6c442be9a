// Win rates from a tuned model's log-probs of answers: by hand, and by what must hold of any.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  answerWinRate,
  type ComparedPrompt,
  type JudgedAnswer,
  winRateOfValues,
} from "#shared/evaluation/judge/answer-win-rate.ts"
import { wilsonInterval } from "#shared/methods/accuracy.ts"

const RULE = { beta: 1, reduction: "sum" } as const

const answer = (nats: number, length = 10): JudgedAnswer => ({
  score: { policy: { sum: nats, count: 5 }, reference: { sum: 0, count: 5 } },
  length,
})
const silence: JudgedAnswer = { score: "empty", length: 0 }
const unscored: JudgedAnswer = { score: undefined, length: 10 }

const prompt = (candidate: JudgedAnswer, against: JudgedAnswer, groups = {}): ComparedPrompt => ({
  ...{ groups, candidate: [candidate], against: [against] },
})

describe("a win rate of answers", () => {
  test("by hand: wins, losses, ties, silence, and what the judge cannot score", () => {
    const found = answerWinRate(
      [
        prompt(answer(Math.log(3)), answer(0)),
        prompt(answer(0), answer(Math.log(3))),
        prompt(answer(2), answer(2)),
        prompt(answer(-50), silence),
        prompt(silence, answer(-50)),
        prompt(silence, silence),
        prompt(unscored, answer(0)),
        prompt(silence, unscored),
      ],
      RULE,
    )
    expect(found).toMatchObject({ wins: 2, losses: 2, ties: 2, rate: 0.5, notJudged: 2, ...wilsonInterval(3, 6) })
    const values = [0.75, 0.25, 0.5, 1, 0, 0.5]
    expect(found.preference.mean).toBeCloseTo(0.5, 12)
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - 0.5) ** 2, 0) / 5)
    expect(found.preference.standardError).toBeCloseTo(deviation / Math.sqrt(6), 12)
    // t of five degrees of freedom.
    expect(found.preference.high - found.preference.mean).toBeCloseTo((2.5706 * deviation) / Math.sqrt(6), 12)
    expect(found.meanLength).toEqual({ candidate: 50 / 8, against: 60 / 8 })
  })

  test("of several answers a prompt counts once, as the mean of its pairs", () => {
    const several = {
      groups: {},
      candidate: [answer(9), answer(0), answer(0)],
      against: [answer(0), answer(0), answer(1)],
    }
    const found = answerWinRate([several], RULE)
    expect([found.wins, found.losses, found.ties]).toEqual([1, 0, 0])
    expect(found.preference.mean).toBeCloseTo((1 / (1 + Math.exp(-9)) + 0.5 + 1 / (1 + Math.exp(1))) / 3, 12)
    expect([found.preference.low, found.preference.high]).toEqual([0, 1])
    expect(found.lengthControlled).toBeUndefined()
  })

  test("by group, where a name has few values, and in the order of names and values", () => {
    const groupsOf = (index: number) => ({ language: index % 2 === 0 ? "ja" : "en", row: `r${index}` })
    const prompts = Array.from({ length: 24 }, (_, index) =>
      prompt(answer(index < 12 ? 1 : -1), answer(0), groupsOf(index)),
    )
    const { groups } = answerWinRate([...prompts, prompt(unscored, unscored, { language: "de" })], RULE)
    expect(groups.map(({ key, value, wins, losses }) => [key, value, wins, losses])).toEqual([
      ["language", "en", 6, 6],
      ["language", "ja", 6, 6],
    ])
  })

  test("nothing that was judged is no win rate", () => {
    expect(() => answerWinRate([prompt(unscored, answer(1))], RULE)).toThrow(
      /look at the suite's prompts and at the judge/,
    )
  })

  test("at equal length is far below the raw one where length is all that wins", () => {
    // The judge likes length alone: the candidate's longer answers win as often as its shorter ones lose.
    const prompts = Array.from({ length: 80 }, (_, index) => {
      const isLonger = index % 4 !== 0
      return prompt(answer(isLonger ? 1.5 : -1.5, isLonger ? 300 + index : 60), answer(0, 150))
    })
    const { rate, lengthControlled } = answerWinRate(prompts, RULE)
    expect(rate).toBe(0.75)
    expect(Math.abs(lengthControlled!.rate - 0.5)).toBeLessThan(0.1)
    expect(lengthControlled!.low).toBeLessThanOrEqual(lengthControlled!.rate)
    expect(lengthControlled!.high).toBeGreaterThanOrEqual(lengthControlled!.rate)
  })

  test("of verdicts too few, or too alike, to control length has no rate at equal length", () => {
    const lengths = (index: number) => [100 + ((index * 37) % 90), 120 + ((index * 53) % 70)] as const
    const alike = Array.from({ length: 20 }, (_, index) => {
      const [candidateLength, againstLength] = lengths(index)
      return { groups: {}, preference: 0.9, candidateLength, againstLength }
    })
    const mixed = alike.map((of, index) => ({ ...of, preference: index % 5 < 3 ? 0.9 : 0.3 }))
    expect([alike, mixed].map((of) => winRateOfValues(of).lengthControlled)).toEqual([undefined, undefined])
  })

  test("exchanged it is what is left of 1, and the same function of the same records", () => {
    const nats = fc.double({ min: -30, max: 30, noNaN: true })
    const answers = fc.oneof(
      { weight: 5, arbitrary: fc.record({ nats, length: fc.integer({ min: 1, max: 500 }) }) },
      { weight: 1, arbitrary: fc.constant(undefined) },
    )
    const judged = (given: { nats: number; length: number } | undefined) =>
      given === undefined ? silence : answer(given.nats, given.length)
    fc.assert(
      fc.property(fc.array(fc.tuple(answers, answers), { minLength: 1, maxLength: 12 }), (pairs) => {
        const there = pairs.map(([one, other]) => prompt(judged(one), judged(other)))
        const back = pairs.map(([one, other]) => prompt(judged(other), judged(one)))
        const [found, exchanged] = [answerWinRate(there, RULE), answerWinRate(back, RULE)]
        expect(answerWinRate(there, RULE)).toEqual(found)
        expect([exchanged.wins, exchanged.losses, exchanged.ties]).toEqual([found.losses, found.wins, found.ties])
        expect(found.rate + exchanged.rate).toBeCloseTo(1, 12)
        expect(found.low + exchanged.high).toBeCloseTo(1, 12)
        expect(found.preference.mean + exchanged.preference.mean).toBeCloseTo(1, 12)
        expect(found.wins + found.losses + found.ties + found.notJudged).toBe(pairs.length)
      }),
      { numRuns: 12 },
    )
  })
})
