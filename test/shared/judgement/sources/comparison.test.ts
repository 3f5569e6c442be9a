import { expect, test } from "vitest"
import { derivePairs } from "#shared/judgement/derive-pairs.ts"
import { faultOf, pairsOf, read } from "./read-record.ts"

const candidates = ["a", "b", "c"].map((id) => ({ id, response: `says ${id}`, model: "m" }))
const base = { externalId: "row-1", prompt: "Why?", candidates, annotator: "ann", metadata: { lang: "en" } }
const two = { ...base, candidates: candidates.slice(0, 2) }

const judged = {
  choice: { ...base, judgement: { kind: "choice", winner: "b" } },
  ranking: { ...base, judgement: { kind: "ranking", ranks: { a: 3, b: 1, c: 3 } } },
  rating: { ...base, judgement: { kind: "rating", scores: { a: 0.5, c: 2 } } },
  strength: { ...two, judgement: { kind: "strength", value: -2 } },
  tie: { ...two, judgement: { kind: "tie" } },
} as const

test("every judgement gives the pairs that the service derives from it", async () => {
  for (const [kind, record] of Object.entries(judged)) {
    const derived = derivePairs(record as never)
    const expected = derived.kind === "pairs" ? derived.pairs.map(({ chosen, rejected }) => [chosen, rejected]) : []
    expect((await pairsOf(record)).toSorted(), kind).toEqual(expected.toSorted())
  }
  expect(await pairsOf(judged.choice)).toEqual([
    ["says b", "says a"],
    ["says b", "says c"],
  ])
})

test("a strength keeps its size, and a single pair the comparison's name", async () => {
  expect((await read(judged.strength)).pairs).toMatchObject([{ id: "row-1", strength: 2, chosen: "says a" }])
})

test("ties are dropped, bad ones under a reason of their own", async () => {
  expect((await read(judged.tie)).reasons).toEqual(["tie"])
  expect((await read({ ...two, judgement: { kind: "tie", quality: "bad" } })).reasons).toEqual(["bad-quality"])
})

test("what names no candidate, or names one twice, is an error", async () => {
  expect(await faultOf({ ...base, judgement: { kind: "choice", winner: "z" } })).toContain('"z", which is no candidate')
  expect(await faultOf({ ...base, judgement: { kind: "ranking", ranks: { a: 1, z: 2 } } })).toContain('names "z"')
  expect(await faultOf({ ...judged.tie, candidates: [candidates[0], candidates[0]] })).toContain('id "a" twice')
  expect(await faultOf({ ...base, judgement: { kind: "vote" } })).toContain("judgement.kind must be")
  expect(await faultOf({ ...base, judgement: { kind: "strength", value: 1 } })).toContain("of two candidates")
})
