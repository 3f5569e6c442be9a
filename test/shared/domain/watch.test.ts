// What evaluations say of production since it was promoted, and before: evidence multiplied over suites, each once.
import { expect, it } from "vitest"
import { type PastEvaluation, watchOf } from "#shared/domain/Watch.ts"
import type { WinRate } from "#shared/domain/WinRate.ts"

const named = (version: number) => ({ name: "support", version })
const [NEW, OLD] = [named(2), named(1)]

const against = (other: { name: string; version: number }, better: number, worse: number): WinRate => ({
  ...{ against: other, wins: 6, losses: 3, ties: 1, rate: 0.65, low: 0.4, high: 0.85 },
  preference: { mean: 0.6, standardError: 0.1, low: 0.4, high: 0.8 },
  ...{ meanLength: { candidate: 1, against: 1 }, notJudged: 0, groups: [], evidence: { better, worse } },
})

const evaluation = (id: string, prompts: string, ...winRates: WinRate[]): PastEvaluation => ({
  ...{ id, model: NEW, prompts, winRates },
})

it("is nothing where no evaluation held the two against each other, or none counted evidence", () => {
  const { evidence: _, ...uncounted } = against(OLD, 9, 9)
  const others = [evaluation("a", "s1", against(named(7), 9, 9)), evaluation("b", "s2", uncounted)]
  expect(watchOf(NEW, OLD, others)).toBeUndefined()
  expect(watchOf(NEW, OLD, [{ ...evaluation("a", "s1", against(OLD, 9, 9)), model: named(7) }])).toBeUndefined()
})

it("multiplies the evidence of suites, each once: the same prompts again are no new evidence", () => {
  const past = [
    evaluation("run", "s1", against(OLD, 4, 0.5), against(named(7), 100, 100)),
    evaluation("again", "s1", against(OLD, 4, 0.5)),
    evaluation("other", "s2", against(OLD, 2, 0.25)),
  ]
  expect(watchOf(NEW, OLD, past)).toEqual({
    ...{ against: OLD, evaluations: 2, prompts: 20, evidence: { better: 8, worse: 0.125 }, says: "open" },
  })
})

it("counts evaluations in which production was the other one, turned around", () => {
  const turned = { ...evaluation("turned", "s1", against(NEW, 3, 0.5)), model: OLD }
  expect(watchOf(NEW, OLD, [turned])).toMatchObject({ evidence: { better: 0.5, worse: 3 }, prompts: 10 })
})

it("says worse once the evidence was twenty, whatever comes later, and with which evaluation", () => {
  const past = [
    evaluation("one", "s1", against(OLD, 30, 0.5)),
    evaluation("two", "s2", against(OLD, 0.1, 4)),
    evaluation("three", "s3", against(OLD, 0.1, 10)),
    evaluation("four", "s4", against(OLD, 5, 0.1)),
  ]
  expect(watchOf(NEW, OLD, past.slice(0, 2))).toMatchObject({ says: "better", since: "one" })
  expect(watchOf(NEW, OLD, past.slice(0, 3))).toMatchObject({ says: "worse", since: "three", evidence: { worse: 20 } })
  expect(watchOf(NEW, OLD, past)).toMatchObject({ says: "worse", since: "three", evidence: { worse: 2 } })
})
