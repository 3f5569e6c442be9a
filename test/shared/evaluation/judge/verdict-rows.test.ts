// From answers to rows: orders that disagree, answers that are missing, and what was said when a judge was told to go on.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { AskedPair } from "#shared/evaluation/judge/asked-run.ts"
import { PROTOCOLS, type ProtocolName } from "#shared/evaluation/judge/protocol.ts"
import { annotationRow, gamesRow, pairValue, votedRow } from "#shared/evaluation/judge/verdict-rows.ts"

const asked: AskedPair = {
  ...{ id: "q7", digest: "d", baselineLength: 30, modelLength: 40 },
  questions: [
    { key: "in order", isSwapped: false },
    { key: "swapped", isSwapped: true },
  ],
}

/** A book of words by key; `refused` and undefined as they are. */
const bookOf = (
  texts: Readonly<Record<string, string | undefined>>,
  followUps: Readonly<Record<string, string>> = {},
) => ({
  answerTo: (key: string) => {
    const text = texts[key]
    if (text === undefined || text === "refused") return text
    return { model: "j", text, finishReason: "stop", tokens: { prompt: 1, cached: 0, completion: 1 } }
  },
  followUpOf: (key: string) => followUps[key],
})

const valueUnder = (name: ProtocolName, inOrder?: string, swapped?: string) =>
  pairValue(asked, PROTOCOLS[name], bookOf({ "in order": inOrder, swapped }))

describe("in words and both orders", () => {
  test.each([
    ["the model's in both", "[[B]]", "[[A]]", 1],
    ["the baseline's in both", "[[A]]", "[[B]]", 0],
    ["the first place in both", "[[A]]", "[[A]]", 0.5],
    ["the second place in both", "[[B]]", "[[B]]", 0.5],
    ["a tie in both", "[[C]]", "[[C]]", 0.5],
    ["the model's, and a tie", "[[B]]", "[[C]]", 0.5],
    ["one order not answered", "[[B]]", undefined, undefined],
    ["one order refused", "refused", "[[A]]", undefined],
    ["one order without a name", "[[B]]", "Both.", undefined],
  ])("%s: %s and %s are %s", (_, inOrder, swapped, value) => {
    expect(valueUnder("text", inOrder, swapped)).toBe(value)
    const row = annotationRow(asked, 3, PROTOCOLS.text, bookOf({ "in order": inOrder, swapped }))
    expect(row).toMatchObject({ i: 3, len1: 30, len2: 40, pref: value === undefined ? null : 1 + value })
  })

  test("each order is kept as of the answers, not of the places", () => {
    const book = bookOf({ "in order": "[[A]]", swapped: "[[A]]" })
    expect(annotationRow(asked, 0, PROTOCOLS.text, book)).toMatchObject({ pref: 1.5, orders: [1, 2] })
  })
})

describe("Arena-Hard's games", () => {
  const labels = fc.constantFrom("A>>B", "A>B", "A=B", "B>A", "B>>A")
  const MIRRORED: Readonly<Record<string, string>> = {
    "A>>B": "B>>A",
    "A>B": "B>A",
    "A=B": "A=B",
    "B>A": "A>B",
    "B>>A": "A>>B",
  }
  const mirrored = (label: string) => MIRRORED[label]!

  test("keep the judge's labels: A is the baseline in the first, and the model in the second", () => {
    const book = bookOf({ "in order": "so [[B>>A]]", swapped: "[[A>B]]" })
    expect(gamesRow(asked, PROTOCOLS["arena-hard-0.1"], book)).toEqual({ q: "q7", g: ["B>>A", "A>B"] })
    expect(valueUnder("arena-hard-0.1", "[[B>>A]]", "[[A>B]]")).toBe(1)
    // A strong loss counts thrice a win.
    expect(valueUnder("arena-hard-2", "[[A>>B]]", "[[A>B]]")).toBe(0.25)
  })

  test("exchanged answers give what is left of 1", () => {
    fc.assert(
      fc.property(labels, labels, (one, other) => {
        const value = valueUnder("arena-hard-0.1", `[[${one}]]`, `[[${other}]]`)!
        expect(valueUnder("arena-hard-0.1", `[[${mirrored(one)}]]`, `[[${mirrored(other)}]]`)).toBeCloseTo(
          1 - value,
          12,
        )
      }),
    )
  })

  test("answers that are equal are ties, and nobody was asked", () => {
    const same = { ...asked, questions: [] }
    expect(gamesRow(same, PROTOCOLS["arena-hard-2"], bookOf({}))).toEqual({ q: "q7", g: ["A=B", "A=B"] })
    expect(pairValue(same, PROTOCOLS["arena-hard-2"], bookOf({}))).toBe(0.5)
  })

  test("a judge that ended without a label is heard once more in v0.1, and not in v2.0", () => {
    const texts = { "in order": "Hm.", swapped: "[[A>B]]", again: "[[B>A]]" }
    const book = bookOf(texts, { "in order": "again" })
    expect(gamesRow(asked, PROTOCOLS["arena-hard-0.1"], book)).toMatchObject({ g: ["B>A", "A>B"] })
    expect(gamesRow(asked, PROTOCOLS["arena-hard-2"], book)).toMatchObject({ g: [null, "A>B"] })
    const silent = bookOf({ ...texts, again: "Hm." }, { "in order": "again" })
    expect(gamesRow(asked, PROTOCOLS["arena-hard-0.1"], silent)).toMatchObject({ g: [null, "A>B"] })
    const refused = bookOf({ ...texts, again: "refused" }, { "in order": "again" })
    expect(gamesRow(asked, PROTOCOLS["arena-hard-0.1"], refused)).toMatchObject({ g: [null, "A>B"] })
  })

  test("labels that differ are none in v0.1 and not asked about again; v2.0 takes the last", () => {
    const book = bookOf({ "in order": "[[A>B]] no: [[B>A]]", swapped: "[[A>B]]" }, { "in order": "again" })
    expect(gamesRow(asked, PROTOCOLS["arena-hard-0.1"], book)).toMatchObject({ g: [null, "A>B"] })
    expect(gamesRow(asked, PROTOCOLS["arena-hard-2"], book)).toMatchObject({ g: ["B>A", "A>B"] })
  })
})

describe("log-probs of one order", () => {
  const [question] = asked.questions
  const one: AskedPair = { ...asked, questions: [{ ...question!, isSwapped: true }] }
  const bookWith = (verdict: { first: number | undefined; second: number | undefined } | undefined) => ({
    answerTo: () => ({ model: "j", text: "m", ...(verdict && { verdict }), finishReason: "length", tokens: NO_MORE }),
    followUpOf: () => undefined,
  })
  const NO_MORE = { prompt: 1, cached: 0, completion: 1 }

  test("are the preference, and stand beside it", () => {
    const book = bookWith({ first: Math.log(0.8), second: Math.log(0.2) })
    expect(pairValue(one, PROTOCOLS["log-probs"], book)).toBeCloseTo(0.8, 12)
    const row = annotationRow(one, 2, PROTOCOLS["log-probs"], book)
    expect(row).toEqual({
      ...{ i: 2, len1: 30, len2: 40, pref: expect.closeTo(1.8, 12) },
      ...{ lp_m: Math.log(0.8), lp_M: Math.log(0.2), swapped: true },
    })
    const unswapped = { ...one, questions: [{ ...question!, isSwapped: false }] }
    expect(pairValue(unswapped, PROTOCOLS["log-probs"], book)).toBeCloseTo(0.2, 12)
  })

  test("that name neither answer, or are not there, are no verdict", () => {
    const neither = bookWith({ first: undefined, second: undefined })
    expect(annotationRow(one, 0, PROTOCOLS["log-probs"], neither)).toMatchObject({ pref: null, swapped: true })
    expect(annotationRow(one, 0, PROTOCOLS["log-probs"], bookWith(undefined))).toEqual({
      i: 0,
      len1: 30,
      len2: 40,
      pref: null,
    })
    expect(annotationRow({ ...one, questions: [] }, 0, PROTOCOLS["log-probs"], neither)).toMatchObject({ pref: 1.5 })
  })
})

test("a pair that people compared has both orders of the judge beside their votes, or is left out", () => {
  const voted: AskedPair = { ...asked, votes: [0, 1], listItems: [0, 3] }
  const row = votedRow(voted, PROTOCOLS.text, bookOf({ "in order": "[[B]]", swapped: "[[C]]" }))
  expect(row).toEqual({ votes: [0, 1], judged: [1, 0.5], len: [30, 40], lists: [0, 3] })
  expect(votedRow(voted, PROTOCOLS.text, bookOf({ "in order": "[[B]]" }))).toBeUndefined()
  expect(
    votedRow({ ...voted, questions: voted.questions.slice(0, 1) }, PROTOCOLS.text, bookOf({ "in order": "[[B]]" })),
  ).toBeUndefined()
})
