// MT-Bench's ratings and choices in a judge's words, and real answers of judges where their folder is at hand.
import { readFileSync } from "node:fs"
import path from "node:path"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { joinOrders, readPreferred, readRating } from "#shared/evaluation/mt-bench/rating.ts"
import { evalFixtures } from "../eval-fixtures.ts"

test("a rating is the first number from 1 to 10 between double brackets, whole or not", () => {
  expect(readRating("Rating: [[9]]")).toBe(9)
  expect(readRating("Rating: [[9.5]]")).toBe(9.5)
  expect(readRating("[[10]] rather than [[3]]")).toBe(10)
  expect(readRating("matrix[[0]] and [[100]], so: [[7]]")).toBe(7)
})

test("indices, single brackets and words are no rating", () => {
  for (const text of [
    "",
    "x[5] = y[[i]]",
    "Rating: [8]",
    "Rating: 8/10",
    "[[0]]",
    "[[11]]",
    "[[-3]]",
    "[[ 4 ]]",
    "[[1, 2]]",
  ])
    expect(readRating(text)).toBeUndefined()
})

test("law: every rating that is said is read, whatever stands before it without double brackets", () => {
  const said = fc.tuple(
    fc.string().filter((text) => !text.includes("[[") && !text.endsWith("[")),
    fc.integer({ min: 10, max: 100 }),
  )
  fc.assert(
    fc.property(said, ([before, tenths]) => {
      expect(readRating(`${before}[[${tenths / 10}]]`)).toBe(tenths / 10)
    }),
  )
})

test("a choice is A, B or a tie; choices that differ are none", () => {
  expect(["[[A]]", "so [[B]].", "[[C]]", "[[A]] … [[A]]"].map(readPreferred)).toEqual(["A", "B", "tie", "A"])
  for (const text of ["[[A]] or [[B]]", "[[C]] [[A]]", "[A]", "[[D]]", "[[a]]", ""])
    expect(readPreferred(text)).toBeUndefined()
})

test("orders that disagree are a tie; only those that prefer the same place are a flip", () => {
  expect(joinOrders("A", "B")).toEqual({ score: 1, isFlip: false })
  expect(joinOrders("B", "A")).toEqual({ score: 0, isFlip: false })
  expect(joinOrders("tie", "tie")).toEqual({ score: 0.5, isFlip: false })
  expect(joinOrders("A", "A")).toEqual({ score: 0.5, isFlip: true })
  expect(joinOrders("B", "B")).toEqual({ score: 0.5, isFlip: true })
  expect(joinOrders("A", "tie")).toEqual({ score: 0.5, isFlip: false })
  expect(joinOrders("A", undefined)).toBeUndefined()
  expect(joinOrders(undefined, "B")).toBeUndefined()
})

describe.skipIf(!evalFixtures.isThere)(`ratings of real judges (${evalFixtures.name})`, () => {
  test("every stored rating is read where the end of the answer holds it, and none where none was given", () => {
    const file = path.join(evalFixtures.folder, "public/ratings_tail.json")
    const { cases }: { cases: readonly { readonly judgment_tail: string; readonly stored_score: number | null }[] } =
      JSON.parse(readFileSync(file, "utf8"))
    const silent = cases.filter(({ stored_score }) => stored_score === null)
    expect(silent.filter(({ judgment_tail }) => readRating(judgment_tail) !== undefined)).toEqual([])
    const said = cases.filter(
      ({ judgment_tail, stored_score }) => stored_score !== null && judgment_tail.includes("[["),
    )
    expect(said.map(({ judgment_tail }) => readRating(judgment_tail))).toEqual(said.map((each) => each.stored_score))
    console.log(`${cases.length} answers: ${silent.length} without a rating, ${said.length} with one at the end`)
    expect(silent.length + said.length).toBeGreaterThan(35)
  })
})
