// Near duplicates across the split: exact at the limit, the same whatever the order, and blind to what a template writes.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { NEAR_DUPLICATE_RESEMBLANCE, nearDuplicates, nearTrainedPrompts } from "#shared/wire/near-duplicates.ts"

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
const changed = (ids: readonly number[], at: number) => ids.map((id, index) => (index === at ? 90_000 + id : id))

/** Written out: shared runs of three over all, of two lists that begin and end differently. */
const resemblance = (a: readonly number[], b: readonly number[]): number => {
  const runs = (ids: readonly number[]) =>
    new Set(range(0, Math.max(1, ids.length - 2)).map((at) => ids.slice(at, at + 3).join()))
  const [one, other] = [runs(a), runs(b)]
  const shared = [...one].filter((run) => other.has(run)).length
  return shared / (one.size + other.size - shared)
}

/** Two prompts like none, so that no token is shared by all at either end. */
const strangers = [
  [70_001, 70_002, 70_003],
  [70_004, 70_005, 70_006],
]

describe("a held-out prompt", () => {
  const trained = [range(100, 120), range(200, 240)]

  it.each([
    ["is equal to a trained one", range(100, 120), true],
    ["has one token in the middle of twenty changed: 15 of 21 shingles", changed(range(100, 120), 10), true],
    [
      "has the tokens in the middle of twenty changed: 14 of 22 shingles",
      changed(changed(range(100, 120), 10), 11),
      false,
    ],
    ["has one token more at the end", range(100, 121), true],
    ["has the tokens in another order", range(100, 120).reverse(), false],
    ["is another", range(300, 320), false],
    ["is a short one", [5], false],
  ])("that %s", (_, prompt, isNear) => {
    expect(nearDuplicates([...trained, ...strangers], [prompt])).toEqual([isNear])
  })

  it("of one or two tokens is near to its equal alone", () => {
    expect(nearDuplicates([[5], [6, 7], ...strangers], [[5], [6, 7], [6], [7, 6]])).toEqual([true, true, false, false])
  })

  it("is not near to another because a template writes forty tokens around both", () => {
    const framed = (ids: readonly number[]) => [...range(1, 31), ...ids, ...range(31, 41)]
    expect(nearDuplicates([range(100, 104), range(200, 204)].map(framed), [range(300, 304)].map(framed))).toEqual([
      false,
    ])
    expect(nearDuplicates([range(100, 104), range(200, 204)].map(framed), [range(100, 104)].map(framed))).toEqual([
      true,
    ])
  })

  it("is near to none where none is trained on", () => {
    expect(nearDuplicates([], [range(1, 9), range(2, 9)])).toEqual([false, false])
    expect(nearDuplicates([range(1, 9)], [])).toEqual([])
  })
})

it("finds what comparing every prompt with every other finds", () => {
  const prompt = fc.array(fc.nat({ max: 3 }), { minLength: 3, maxLength: 12 })
  fc.assert(
    fc.property(
      fc.array(prompt, { maxLength: 8 }),
      fc.array(prompt, { minLength: 1, maxLength: 8 }),
      (trained, heldOut) => {
        const all = [...trained, ...strangers]
        const expected = heldOut.map((ids) =>
          all.some((other) => resemblance(ids, other) >= NEAR_DUPLICATE_RESEMBLANCE),
        )
        expect(nearDuplicates(all, heldOut)).toEqual(expected)
        const first = heldOut.map((ids) =>
          all.findIndex((other) => resemblance(ids, other) >= NEAR_DUPLICATE_RESEMBLANCE),
        )
        expect(nearTrainedPrompts(all, heldOut)).toEqual(first.map((index) => (index < 0 ? undefined : index)))
        expect(nearDuplicates(all.toReversed(), heldOut.toReversed())).toEqual(expected.toReversed())
      },
    ),
  )
})
