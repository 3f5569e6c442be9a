// KTO's rows: who is mismatched with whom, in an order that only the data decides.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import { heldOutKtoRows, inTurn, ktoRows, pairedAgain } from "#gpu-runner/trainer/rows/kto-rows.ts"

const ids = (...values: number[]) => Uint32Array.from(values)

const labelled = (id: string, completion: Uint32Array, label: boolean, prompt = id): TokenRow => ({
  id,
  label,
  promptIds: ids(...new TextEncoder().encode(prompt)),
  chosenIds: completion,
  rejectedIds: ids(),
  weight: 1,
})

const pair = (id: string, chosen: Uint32Array, rejected: Uint32Array, weight = 1): TokenRow => ({
  id,
  promptIds: ids(...new TextEncoder().encode(id)),
  chosenIds: chosen,
  rejectedIds: rejected,
  weight,
})

const shown = ({ id, label, chosenIds, rejectedIds }: TokenRow) => [id, label, [...chosenIds], [...rejectedIds]]

test("a row's mismatched completion is the one before it, the first row's the last one", () => {
  const { rows, truncated } = ktoRows(
    [labelled("a", ids(1), true), labelled("b", ids(2, 2), false), labelled("c", ids(3), true)],
    16,
  )
  expect(rows.map(shown)).toEqual([
    ["a", true, [1], [3]],
    ["b", false, [2, 2], [1]],
    ["c", true, [3], [2, 2]],
  ])
  expect(truncated).toBe(0)
})

test("a pair becomes a desirable row in its place and an undesirable one behind all others, each with the pair's weight", () => {
  const { rows } = ktoRows(
    [pair("p", ids(1), ids(2), 0.5), pair("q", ids(3), ids(4)), labelled("u", ids(5), false)],
    16,
  )
  expect(rows.map(shown)).toEqual([
    ["p/chosen", true, [1], [4]],
    ["q/chosen", true, [3], [1]],
    ["u", false, [5], [3]],
    ["p/rejected", false, [2], [5]],
    ["q/rejected", false, [4], [2]],
  ])
  expect(rows.map(({ weight }) => weight)).toEqual([0.5, 1, 1, 0.5, 1])
})

test("in turn, a pair's undesirable row stands right behind its desirable one, with the mismatched completions that they have", () => {
  const data = [pair("p", ids(1), ids(2)), labelled("u", ids(5), false), pair("q", ids(3), ids(4))]
  const { rows } = ktoRows(data, 16)
  const turned = inTurn(rows, data)
  expect(turned.map(({ id }) => id)).toEqual(["p/chosen", "p/rejected", "u", "q/chosen", "q/rejected"])
  expect(new Set(turned)).toEqual(new Set(rows))
})

test("rows that meet their own prompt are counted: all of them where the data have one prompt", () => {
  const alone = [ids(1), ids(2), ids(3)].map((chosen) => labelled("only", chosen, true))
  expect(ktoRows(alone, 16).matched).toBe(3)
  expect(ktoRows([...alone, labelled("other", ids(4), false)], 16).matched).toBe(2)
  expect(ktoRows([pair("p", ids(1), ids(2)), pair("q", ids(3), ids(4))], 16).matched).toBe(0)
})

test("a reference of the pair's own responses is not carried over: it does not cover the mismatched ones", () => {
  const reference = { chosen: { sum: -1, count: 1 }, rejected: { sum: -2, count: 1 } }
  const { rows } = ktoRows([{ ...pair("p", ids(1), ids(2)), reference }], 16)
  expect(rows.every((row) => row.reference === undefined)).toBe(true)
})

test("mismatched completions are cut to the room that the prompt leaves, and counted; completions never are", () => {
  const long = labelled("long", ids(1, 2, 3, 4, 5, 6), true, "?")
  const { rows, truncated } = ktoRows([long, labelled("tight", ids(8, 8), false, "tight?".slice(2))], 7)
  expect(rows.map(shown)).toEqual([
    ["long", true, [1, 2, 3, 4, 5, 6], [8, 8]],
    ["tight", false, [8, 8], [1, 2, 3]],
  ])
  expect(truncated).toBe(1)
})

test("neighbours that share a prompt are mismatched from further away, each completion still once", () => {
  const twins = ["a", "a", "b", "b", "c", "c"].map((prompt, index) =>
    labelled(`${prompt}${index}`, ids(index), index % 2 === 0, prompt),
  )
  expect(ktoRows(twins, 8).rows.map(({ rejectedIds }) => [...rejectedIds])).toEqual([[4], [5], [0], [1], [2], [3]])
})

test("where one prompt is all there is, the row before must do", () => {
  const alike = [1, 2, 3].map((id) => labelled(`${id}`, ids(id), true, "the same"))
  expect(ktoRows(alike, 16).rows.map(({ rejectedIds }) => [...rejectedIds])).toEqual([[3], [1], [2]])
})

test("one row alone has nothing to be mismatched with", () => {
  expect(() => ktoRows([labelled("only", ids(1), true)], 8)).toThrow(UnusableConfig)
  expect(() => ktoRows([labelled("only", ids(1), true)], 8)).toThrow(/needs at least two; add rows/)
})

const arbitraryRows = fc.array(
  fc.record({
    prompt: fc.array(fc.nat(50), { minLength: 1, maxLength: 6 }),
    completion: fc.array(fc.nat(50), { minLength: 1, maxLength: 6 }),
    other: fc.option(fc.array(fc.nat(50), { minLength: 1, maxLength: 6 })),
    label: fc.boolean(),
  }),
  { minLength: 2, maxLength: 8 },
)

test("every completion is once some other row's mismatched one, and every row fits", () => {
  fc.assert(
    fc.property(arbitraryRows, (drawn) => {
      const data = drawn.map(({ prompt, completion, other, label }, index): TokenRow => {
        const row = { id: `${index}`, promptIds: ids(...prompt), chosenIds: ids(...completion), weight: 1 }
        return other ? { ...row, rejectedIds: ids(...other) } : { ...row, rejectedIds: ids(), label }
      })
      const { rows, truncated } = ktoRows(data, 12)
      const completions = rows.map(({ chosenIds }) => chosenIds.join())
      expect(truncated).toBe(0)
      expect(rows.map(({ rejectedIds }) => rejectedIds.join()).sort()).toEqual(completions.sort())
      expect(rows).toHaveLength(data.length + data.filter(({ label }) => label === undefined).length)
      for (const { promptIds, rejectedIds } of ktoRows(data, 7).rows) {
        expect(promptIds.length + rejectedIds.length).toBeLessThanOrEqual(7)
        expect(rejectedIds.length).toBeGreaterThan(0)
      }
    }),
  )
})

describe("held-out pairs", () => {
  test("become labelled rows out of which the pairs can be told again", () => {
    const rows = heldOutKtoRows([pair("p", ids(1), ids(2)), pair("q", ids(3), ids(4))], 16)
    expect(pairedAgain(rows.map(({ id }) => id))).toEqual([
      { chosen: "p/chosen", rejected: "p/rejected" },
      { chosen: "q/chosen", rejected: "q/rejected" },
    ])
    expect(heldOutKtoRows([], 16)).toEqual([])
  })

  test("cannot be labelled completions", () => {
    expect(() => heldOutKtoRows([labelled("a", ids(1), true)], 16)).toThrow(/give pairs by --held-out/)
  })
})
