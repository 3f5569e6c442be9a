import { describe, expect, it } from "vitest"
import type { Comparison, Judgement } from "#shared/judgement/Comparison.ts"
import {
  type Derivation,
  deriveAllPairs,
  derivePairs,
  MAX_PAIRS_PER_COMPARISON,
} from "#shared/judgement/derive-pairs.ts"

const comparing = (ids: readonly string[], judgement: Judgement): Comparison => ({
  externalId: "one",
  prompt: "why?",
  candidates: ids.map((id) => ({ id, response: `answer ${id}` })) as unknown as Comparison["candidates"],
  judgement,
})

const stated = (derivation: Derivation) =>
  derivation.kind === "none"
    ? derivation.reason
    : derivation.pairs.map(({ chosen, rejected, weight }) => `${chosen} > ${rejected} × ${weight}`)

const deriving = (ids: readonly string[], judgement: Judgement) => stated(derivePairs(comparing(ids, judgement)))

/** mulberry32 */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

/** The slow way: every pair, sorted by its gap; sorting is stable. */
const sortedPairs = (ids: readonly string[], scores: Readonly<Record<string, number>>): string[] => {
  const placed = ids.filter((id) => id in scores)
  return placed
    .flatMap((first, index) =>
      placed.slice(index + 1).map((second) => ({ first, second, gap: scores[first]! - scores[second]! })),
    )
    .filter(({ gap }) => gap !== 0)
    .toSorted((a, b) => (Math.abs(a.gap) < Math.abs(b.gap) ? 1 : Math.abs(a.gap) > Math.abs(b.gap) ? -1 : 0))
    .map(({ first, second, gap }) => (gap > 0 ? `${first} > ${second}` : `${second} > ${first}`))
}

describe("deriving pairs", () => {
  it("makes one pair of a choice between two", () => {
    expect(deriving(["a", "b"], { kind: "choice", winner: "b" })).toEqual(["answer b > answer a × 1"])
  })

  it("pairs the winner of a choice among three with each other candidate, and those with nobody", () => {
    expect(deriving(["a", "b", "c"], { kind: "choice", winner: "b" })).toEqual([
      "answer b > answer a × 1",
      "answer b > answer c × 1",
    ])
  })

  it("makes three pairs of a ranking of three, a lower rank being better, the widest gap first", () => {
    expect(deriving(["a", "b", "c"], { kind: "ranking", ranks: { a: 2, b: 1, c: 3 } })).toEqual([
      "answer b > answer c × 1",
      "answer b > answer a × 1",
      "answer a > answer c × 1",
    ])
  })

  it("leaves equal ranks and unplaced candidates unpaired", () => {
    expect(deriving(["a", "b", "c", "d"], { kind: "ranking", ranks: { a: 1, b: 1, c: 2 } })).toEqual([
      "answer a > answer c × 1",
      "answer b > answer c × 1",
    ])
  })

  it("orders a rating by score, a higher one being better", () => {
    expect(deriving(["a", "b"], { kind: "rating", scores: { a: 2.5, b: 4 } })).toEqual(["answer b > answer a × 1"])
  })

  it("weighs a strength by a third of its size, a negative one preferring the first candidate", () => {
    expect(deriving(["a", "b"], { kind: "strength", value: -3 })).toEqual(["answer a > answer b × 1"])
    expect(deriving(["a", "b"], { kind: "strength", value: 2 })).toEqual([`answer b > answer a × ${2 / 3}`])
  })

  it.each<Judgement>([
    { kind: "tie" },
    { kind: "strength", value: 0 },
    { kind: "ranking", ranks: { a: 1, b: 1 } },
    { kind: "rating", scores: { a: 3, b: 3 } },
  ])("calls %j a tie", (judgement) => {
    expect(deriving(["a", "b"], judgement)).toBe("tie")
  })

  it.each<[Judgement, RegExp]>([
    [{ kind: "choice", winner: "z" }, /the winner "z" is no candidate/],
    [{ kind: "ranking", ranks: { a: 1, z: 2 } }, /places "z", which is no candidate/],
    [{ kind: "rating", scores: { a: 1 } }, /fewer than two candidates are placed/],
    [{ kind: "strength", value: 4 }, /from -3 to 3/],
  ])("refuses %j and says why", (judgement, reason) => {
    expect(deriving(["a", "b"], judgement)).toMatch(reason)
  })

  it("refuses candidates that share an id, a single candidate, and a strength between three", () => {
    expect(deriving(["a", "a"], { kind: "choice", winner: "a" })).toMatch(/share an id/)
    expect(deriving(["a"], { kind: "choice", winner: "a" })).toMatch(/at least two/)
    expect(deriving(["a", "b", "c"], { kind: "strength", value: 1 })).toMatch(/exactly two/)
  })

  it("keeps the widest gaps of a ranking with more pairs than the limit, and says how many it left out", () => {
    const ids = Array.from({ length: 13 }, (_, index) => `c${index}`)
    const derivation = derivePairs(
      comparing(ids, { kind: "ranking", ranks: Object.fromEntries(ids.map((id, rank) => [id, rank])) }),
    )
    if (derivation.kind === "none") throw new Error(derivation.reason)
    expect(derivation.pairs.length).toBe(MAX_PAIRS_PER_COMPARISON)
    expect(derivation.omitted).toBe((13 * 12) / 2 - MAX_PAIRS_PER_COMPARISON)
    expect(derivation.pairs[0]).toMatchObject({ chosen: "answer c0", rejected: "answer c12" })
  })

  it("keeps of any ranking or rating exactly what sorting all its pairs would keep, ties and huge gaps included", () => {
    const random = seeded(7)
    for (let round = 0; round < 300; round++) {
      const count = 2 + Math.floor(random() * 40)
      const ids = Array.from({ length: count }, (_, index) => `c${index}`)
      const steps = [3, 20, 1e308][round % 3]!
      const scores = Object.fromEntries(
        ids.filter(() => random() < 0.9).map((id) => [id, Math.round(random() * steps) - steps / 2]),
      )
      const derived = derivePairs(comparing(ids, { kind: "rating", scores }))
      const slow = sortedPairs(ids, scores)
      if (derived.kind === "none") expect(slow).toEqual([])
      else {
        expect(derived.pairs.map(({ chosenId, rejectedId }) => `${chosenId} > ${rejectedId}`)).toEqual(
          slow.slice(0, MAX_PAIRS_PER_COMPARISON),
        )
        expect(derived.omitted).toBe(slow.length - derived.pairs.length)
      }
    }
  })

  it("chooses among the 31,996,000 pairs of a ranking of 8,000 without holding them", () => {
    const ids = Array.from({ length: 8000 }, (_, index) => `c${index}`)
    const ranks = Object.fromEntries(ids.map((id, index) => [id, -index]))
    const derived = derivePairs(comparing(ids, { kind: "ranking", ranks }))
    if (derived.kind === "none") throw new Error(derived.reason)
    expect(derived.omitted).toBe((8000 * 7999) / 2 - MAX_PAIRS_PER_COMPARISON)
    expect(derived.pairs.slice(0, 3).map(({ chosenId, rejectedId }) => `${chosenId} > ${rejectedId}`)).toEqual([
      "c7999 > c0",
      "c7998 > c0",
      "c7999 > c1",
    ])
  })

  it("refuses a file's record of more candidates than a comparison may have", () => {
    const ids = Array.from({ length: 65 }, (_, index) => `c${index}`)
    expect(stated(deriveAllPairs(comparing(ids, { kind: "choice", winner: "c0" })))).toBe(
      "invalid judgement: 65 candidates are compared, at most 64 can be",
    )
    const most = deriveAllPairs(comparing(ids.slice(1), { kind: "choice", winner: "c1" }))
    expect(most).toMatchObject({ kind: "pairs", omitted: 0 })
  })

  it("tells a tie between bad responses from other ties", () => {
    expect(derivePairs(comparing(["a", "b"], { kind: "tie", quality: "bad" }))).toMatchObject({ cause: "bad-quality" })
    expect(derivePairs(comparing(["a", "b"], { kind: "tie", quality: "good" }))).toMatchObject({ cause: "tie" })
  })

  it("gives a file all pairs, the best candidate's first, with their candidates and the strength", () => {
    const ids = Array.from({ length: 13 }, (_, index) => `c${index}`)
    const ranks = Object.fromEntries(ids.map((id, index) => [id, -index]))
    const all = deriveAllPairs(comparing(ids, { kind: "ranking", ranks }))
    if (all.kind === "none") throw new Error(all.reason)
    expect([all.pairs.length, all.omitted]).toEqual([78, 0])
    expect(all.pairs.slice(0, 2)).toMatchObject([
      { chosenId: "c12", rejectedId: "c11" },
      { chosenId: "c12", rejectedId: "c10" },
    ])
    expect(all.pairs.at(-1)).toMatchObject({ chosenId: "c1", rejectedId: "c0", weight: 1 })
    expect(deriveAllPairs(comparing(["a", "b"], { kind: "strength", value: 2 }))).toMatchObject({
      pairs: [{ chosenId: "b", rejectedId: "a", strength: 2, weight: 2 / 3 }],
    })
  })
})
