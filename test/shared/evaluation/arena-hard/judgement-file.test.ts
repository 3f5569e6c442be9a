// Files of games in both forms, and what of them is refused.
import { describe, expect, test } from "vitest"
import { readBaselineStyles, readJudgementFile } from "#shared/evaluation/arena-hard/judgement-file.ts"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))
const read = (value: unknown, version: "0.1" | "2.0" = "0.1") => readJudgementFile(bytes(value), version)
const lines = (...records: readonly unknown[]) => `${records.map((record) => JSON.stringify(record)).join("\n")}\n`

test("rows of numbers: a label that is none of the version's is no verdict", () => {
  const file = {
    model: "m",
    rows: [
      { q: 7, g: ["A>B", null], s: [1, 2, 3, 4] },
      { q: "x", g: ["A<B"] },
    ],
  }
  expect(read(file)).toEqual({
    model: "m",
    questions: [
      { question: "7", verdicts: ["A>B", undefined], style: [1, 2, 3, 4] },
      { question: "x", verdicts: [undefined], style: undefined },
    ],
  })
  expect(read(file, "2.0").questions[1]!.verdicts).toEqual(["B>A"])
  expect(read(JSON.stringify(file, undefined, 2))).toEqual(read(file))
})

test("arena-hard-auto's lines of either version", () => {
  const first = { question_id: "a", model: "m", judge: "j", games: [{ score: "A>>B", judgment: "…" }, { score: null }] }
  const second = { uid: "b", model: "m", category: "coding", games: [{ score: "B>A" }, null] }
  expect(read(lines(first)).questions).toEqual([{ question: "a", verdicts: ["A>>B", undefined], style: undefined }])
  expect(read(lines(second), "2.0")).toEqual({
    model: "m",
    questions: [{ question: "b", verdicts: ["B>A", undefined], style: undefined }],
  })
})

describe("is refused with its place and the mend:", () => {
  const row = { q: 1, g: ["A>B", "A>B"], s: [1, 1, 1, 1] }
  const game = { uid: "a", model: "m", category: "coding", games: [{ score: "A>B" }, { score: "A>B" }] }
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ["no JSON", "games", /is no JSON object; give/],
    ["not UTF-8", "", /holds|no JSON/],
    ["no rows", { model: "m" }, /has no list "rows"/],
    ["an empty list", { rows: [] }, /holds no rows; judge some answers first/],
    ["a row that is no object", { rows: [1] }, /row 1 is no object/],
    ["a question without a name", { rows: [{ ...row, q: -1 }] }, /row 1: "q" is -1; give the question's number or id/],
    [
      "three games",
      { rows: [{ ...row, g: ["A>B", "A>B", "A>B"] }] },
      /row 1: "g" is no list of the verdicts of one or 2/,
    ],
    ["no games", { rows: [{ ...row, g: [] }] }, /row 1: "g" is no list/],
    ["a number for a label", { rows: [{ ...row, g: [1] }] }, /row 1: "g" holds 1; give labels/],
    ["a style of three", { rows: [{ ...row, s: [1, 2, 3] }] }, /row 1: "s" is no list of four counts/],
    ["a negative count", { rows: [{ ...row, s: [1, 2, 3, -4] }] }, /row 1: "s" is no list of four counts/],
    ["a question twice", { rows: [row, { ...row, q: "1" }] }, /holds question 1 twice/],
    ["a key twice", '{"rows": [], "rows": []}', /holds "rows" twice in one object/],
    ["two models", lines(game, { ...game, uid: "b", model: "n" }), /holds 2 models: m, n; give a file of one/],
    ["two categories", lines(game, { ...game, uid: "b", category: "c" }), /holds 2 categories, whose baselines differ/],
    ["a line that is no record", `${JSON.stringify(game)}\nx`, /line 2 is no JSON object/],
  ]
  test.each(cases)("%s", (_, value, message) => {
    expect(() => read(value)).toThrow(UnusableJudgements)
    expect(() => read(value)).toThrow(message)
  })

  test("bytes that are not UTF-8", () => {
    expect(() => readJudgementFile(Uint8Array.of(0xff), "0.1")).toThrow(/is not in UTF-8/)
  })
})

describe("the baseline's styles", () => {
  const styles = (value: unknown) => readBaselineStyles(bytes(value))

  test("are found by a question's number, and by its id where ids are given", () => {
    const both = styles({
      baseline_style: [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
      question_ids: ["a", "b"],
    })
    expect(both.get("1")).toEqual([5, 6, 7, 8])
    expect(both.get("b")).toEqual([5, 6, 7, 8])
    expect(styles({ baseline_style: [[1, 2, 3, 4]] }).size).toBe(1)
  })

  test("are refused where they are no counts, or not one a question", () => {
    expect(() => styles({})).toThrow(/has no list "baseline_style"/)
    expect(() => styles({ baseline_style: [] })).toThrow(/has no list "baseline_style"/)
    expect(() => styles({ baseline_style: [[1]] })).toThrow(/"baseline_style" 1 is no list of four counts/)
    expect(() => styles({ baseline_style: [[1, 2, 3, 4]], question_ids: [] })).toThrow(
      /another number of "question_ids"/,
    )
  })
})
