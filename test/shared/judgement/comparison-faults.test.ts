// Every reason why a comparison states no pair, at its border: what is just refused beside what is just taken.
import { expect, test } from "vitest"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"

const comparison = (change: Partial<Comparison> = {}): Comparison => ({
  externalId: "c1",
  prompt: "Why is tea hot?",
  candidates: [
    { id: "a", response: "Because of water." },
    { id: "b", response: "It is not." },
  ],
  judgement: { kind: "choice", winner: "a" },
  ...change,
})
const reasonOf = (change: Partial<Comparison>) => findComparisonFault(comparison(change))?.reason
const chat = (content: string) => [{ role: "user", content }] as const
const answers = (...contents: readonly string[]) =>
  contents.map((content, index) => ({ id: String(index), response: content })) as unknown as Comparison["candidates"]

test("a comparison that says one of two is better has no fault", () => {
  expect(findComparisonFault(comparison())).toBeUndefined()
})

test("white space alone is an empty prompt or response, in text and in every message", () => {
  expect(reasonOf({ prompt: " \n" })).toBe("empty-prompt")
  expect(reasonOf({ prompt: chat("\t"), candidates: chatAnswers("x", "y") })).toBe("empty-prompt")
  expect(reasonOf({ candidates: answers("x", " ") })).toBe("empty-response")
  expect(reasonOf({ prompt: chat("why"), candidates: chatAnswers("x", " ") })).toBe("empty-response")
  const half = [{ role: "user", content: " " } as const, { role: "user", content: "why" } as const] as const
  expect(reasonOf({ prompt: half, candidates: chatAnswers("x", "y"), judgement: { kind: "tie" } })).toBeUndefined()
})

function chatAnswers(...contents: readonly string[]): Comparison["candidates"] {
  return contents.map((content, index) => ({
    id: String(index),
    response: [{ role: "assistant", content }],
  })) as unknown as Comparison["candidates"]
}

test("one candidate is too few, and two of one id are one", () => {
  expect(reasonOf({ candidates: answers("x") })).toBe("too-few-candidates")
  const [first] = comparison().candidates
  expect(reasonOf({ candidates: [first, { id: "a", response: "Another." }] })).toBe("duplicate-candidate")
})

test("responses that differ in outer white space or Unicode composition say the same", () => {
  expect(reasonOf({ candidates: answers("caf\u00e9", " cafe\u0301 ") })).toBe("identical-responses")
  expect(reasonOf({ prompt: chat("why"), candidates: chatAnswers("caf\u00e9", "cafe\u0301") })).toBe(
    "identical-responses",
  )
  expect(reasonOf({ candidates: answers("x", "y"), judgement: { kind: "tie" } })).toBeUndefined()
})

test("a response is the assistant's alone: other turns in it would be learnt as its words", () => {
  for (const turns of [["user"], ["assistant", "user", "assistant"], ["system", "assistant"]]) {
    const candidates = [
      { id: "a", response: turns.map((role) => ({ role, content: "x" })) },
      { id: "b", response: [{ role: "assistant", content: "y" }] },
    ] as unknown as Comparison["candidates"]
    expect(reasonOf({ prompt: chat("why"), candidates })).toBe("several-turns")
  }
  const transcript = "\n\nHuman: why?\n\nAssistant:"
  expect(
    reasonOf({ prompt: transcript, candidates: answers("So.\n\nHuman: and?", "No."), judgement: { kind: "tie" } }),
  ).toBe("several-turns")
  expect(reasonOf({ candidates: answers("So.\n\nHuman: and?", "No."), judgement: { kind: "tie" } })).toBeUndefined()
})

test("a choice, a ranking and a rating name candidates, and the last two place at least two", () => {
  expect(reasonOf({ judgement: { kind: "choice", winner: "c" } })).toBe("unknown-candidate")
  expect(reasonOf({ judgement: { kind: "ranking", ranks: { a: 1, c: 2 } } })).toBe("unknown-candidate")
  expect(reasonOf({ judgement: { kind: "rating", scores: { c: 1, b: 2 } } })).toBe("unknown-candidate")
  expect(reasonOf({ judgement: { kind: "ranking", ranks: { a: 1 } } })).toBe("unusable-judgement")
  expect(reasonOf({ judgement: { kind: "rating", scores: { b: 2 } } })).toBe("unusable-judgement")
  expect(reasonOf({ judgement: { kind: "ranking", ranks: { a: 1, b: 2 } } })).toBeUndefined()
  expect(reasonOf({ judgement: { kind: "rating", scores: { a: 1, b: 2 } } })).toBeUndefined()
})

test("a strength is of two candidates, from -3 to 3", () => {
  for (const value of [-3, 0, 3]) expect(reasonOf({ judgement: { kind: "strength", value } })).toBeUndefined()
  for (const value of [-4, 4]) expect(reasonOf({ judgement: { kind: "strength", value } })).toBe("unusable-judgement")
  expect(reasonOf({ candidates: answers("x", "y", "z"), judgement: { kind: "strength", value: 1 } })).toBe(
    "unusable-judgement",
  )
})

test("a date is ISO 8601 with a time, of a day that is", () => {
  expect(reasonOf({ labelledAt: "2026-11-24T09:30:00Z" })).toBeUndefined()
  expect(reasonOf({ labelledAt: "2026-11-24" })).toBe("unusable-date")
  expect(reasonOf({ labelledAt: "2026-13-24T09:30:00Z" })).toBe("unusable-date")
})
