// What a judge's answer says, by the rules of both versions, and what it is worth in each of the two games.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  playOf,
  readVerdictOfV2,
  readVerdictOfV01,
  VERDICTS,
  type Verdict,
  verdictOf,
} from "#shared/evaluation/arena-hard/verdict.ts"

const none = (reason: string) => ({ verdict: undefined, reason })

describe("v0.1", () => {
  test("takes the one label, however often it is said", () => {
    expect(readVerdictOfV01("My final verdict is: [[A>>B]]")).toEqual({ verdict: "A>>B" })
    expect(readVerdictOfV01("[[B>A]] … so [[B>A]]")).toEqual({ verdict: "B>A" })
  })

  test("labels that differ are no verdict, and are not asked again as silence is", () => {
    expect(readVerdictOfV01("first [[A>B]], on second thoughts [[B>A]]")).toEqual(none("several"))
    expect(readVerdictOfV01("[[A>B]] of the options [[A]]")).toEqual(none("several"))
    expect(readVerdictOfV01("Both are good.")).toEqual(none("none"))
    expect(readVerdictOfV01("[[A]]")).toEqual(none("unknown"))
    expect(readVerdictOfV01("[[A<B]]")).toEqual(none("unknown"))
  })

  test("reads no verdict out of case, spaces, single brackets or code", () => {
    for (const text of ["[[a>b]]", "[[A > B]]", "[A>B]", "x[[0]] = y[a]", "[[]]"])
      expect(readVerdictOfV01(text)).toEqual(none("none"))
  })
})

describe("v2.0", () => {
  test("the last label wins, in either case", () => {
    expect(readVerdictOfV2("first [[A>B]], on second thoughts [[B>>A]]")).toEqual({ verdict: "B>>A" })
    expect(readVerdictOfV2("[[a=b]]")).toEqual({ verdict: "A=B" })
  })

  test("five more labels say the same the other way round", () => {
    const said = ["B<<A", "B<A", "B=A", "A<B", "A<<B"].map((label) => readVerdictOfV2(`so: [[${label}]]`))
    expect(said).toEqual(VERDICTS.map((verdict) => ({ verdict })))
  })

  test("code in single brackets is no verdict, and a lone letter does not hide the one before it", () => {
    expect(readVerdictOfV2("swap x[a] with x[b]")).toEqual(none("none"))
    expect(readVerdictOfV2("rows[a>b]")).toEqual(none("none"))
    expect(readVerdictOfV2("[[A>B]], as matrix[[a]] shows")).toEqual({ verdict: "A>B" })
    expect(readVerdictOfV2("[[A]]")).toEqual(none("unknown"))
  })
})

test("no text but a label of the version names a verdict", () => {
  expect(verdictOf("A<B", "0.1")).toBeUndefined()
  expect(verdictOf("A<B", "2.0")).toBe("B>A")
  for (const label of ["", "A", "a>b", "A>B ", "toString", "constructor", "__proto__"]) {
    expect(verdictOf(label, "0.1")).toBeUndefined()
    expect(verdictOf(label, "2.0")).toBeUndefined()
  }
})

test("a verdict survives any text around it that has no brackets", () => {
  const free = fc.string().filter((text) => !/[[\]]/.test(text))
  const said = fc.tuple(free, fc.constantFrom(...VERDICTS), free)
  fc.assert(
    fc.property(said, ([before, verdict, after]) => {
      const text = `${before}[[${verdict}]]${after}`
      expect(readVerdictOfV01(text)).toEqual({ verdict })
      expect(readVerdictOfV2(text)).toEqual({ verdict })
    }),
  )
})

test("the baseline is A in the first game, the model in the second; strong verdicts count thrice", () => {
  const worth = (game: number) => VERDICTS.map((verdict) => Object.values(playOf(verdict, game)))
  expect(worth(0)).toEqual([
    [3, 0],
    [1, 0],
    [1, 0.5],
    [1, 1],
    [3, 1],
  ])
  expect(worth(1)).toEqual([
    [3, 1],
    [1, 1],
    [1, 0.5],
    [1, 0],
    [3, 0],
  ])
})

test("the same answer judged better in both places is the mirrored label", () => {
  const mirrored: Record<Verdict, Verdict> = {
    "A>>B": "B>>A",
    "A>B": "B>A",
    "A=B": "A=B",
    "B>A": "A>B",
    "B>>A": "A>>B",
  }
  for (const verdict of VERDICTS) expect(playOf(verdict, 0)).toEqual(playOf(mirrored[verdict], 1))
})
