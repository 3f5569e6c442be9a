import { describe, expect, test } from "vitest"
import { readAnnotationFile } from "#shared/evaluation/alpaca-eval/annotation-file.ts"
import { readDifficulties, readGamedRows } from "#shared/evaluation/alpaca-eval/set-files.ts"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { MAX_ROWS } from "#shared/evaluation/listed-rows.ts"

const bytes = (content: unknown) =>
  new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content))
const read = (content: unknown) => readAnnotationFile(bytes(content))
const rowsOf = (...rows: readonly object[]) => read({ model: "m", rows }).annotations
const row = { i: 4, pref: 1.25, len1: 10, len2: 7 }

describe("rows of numbers", () => {
  test("are read with their instruction, preference and lengths", () => {
    expect(read({ model: "small", n: 2, rows: [row, { ...row, i: 0, pref: 2 }] })).toEqual({
      model: "small",
      namesInstructions: true,
      annotations: [
        { instruction: 4, preference: 1.25, baselineLength: 10, modelLength: 7 },
        { instruction: 0, preference: 2, baselineLength: 10, modelLength: 7 },
      ],
    })
  })

  test("without i, a row is of the instruction at its place", () => {
    const { i: _, ...plain } = row
    const file = read({ rows: [plain, plain] })
    expect(file).toMatchObject({ model: undefined, namesInstructions: false })
    expect(file.annotations.map(({ instruction }) => instruction)).toEqual([0, 1])
  })

  test("a preference may be 0, an old draw; null, absent or -1 is none", () => {
    const { pref: _, ...unjudged } = row
    const preferences = rowsOf(
      { ...row, i: 0, pref: 0 },
      { ...row, i: 1, pref: null },
      { ...unjudged, i: 2 },
      { ...row, i: 3, pref: -1 },
    ).map(({ preference }) => preference)
    expect(preferences).toEqual([1.5, undefined, undefined, undefined])
  })

  test("log-probs stand in for a preference, and are held to one that is stated", () => {
    const { pref: _, ...unjudged } = row
    const judged = { ...unjudged, lp_m: Math.log(0.75), lp_M: Math.log(0.25), swapped: true }
    expect(rowsOf(judged)[0]!.preference).toBeCloseTo(1.75, 12)
    expect(rowsOf({ ...judged, pref: 1.7500001 })[0]!.preference).toBe(1.7500001)
    expect(rowsOf({ ...unjudged, lp_M: -2, swapped: false })[0]!.preference).toBe(2)
    expect(() => rowsOf({ ...judged, pref: 1.25 })).toThrow(
      /^row 1 states the preference 1.25, and its log-probs say 1.75; correct one \(is "swapped" right\?\)$/,
    )
  })
})

describe("alpaca_eval's annotations.json", () => {
  const judged = {
    instruction: "Say hello.",
    output_1: "Hello 🌊!",
    generator_1: "gpt4_1106_preview",
    output_2: "Hi",
    generator_2: "small",
    preference: 1.0000630276,
    raw_completion: null,
  }

  test("is read with lengths in code points and the model's name", () => {
    expect(read([judged])).toEqual({
      model: "small",
      namesInstructions: false,
      annotations: [{ instruction: 0, preference: 1.0000630276, baselineLength: 8, modelLength: 2 }],
    })
  })

  test("NaN, which Python writes, is no preference; in a text it is a text", () => {
    const text = JSON.stringify([{ ...judged, output_2: 'NaN "NaN" \\' }]).replace("1.0000630276", "NaN")
    expect(read(text).annotations).toEqual([
      { instruction: 0, preference: undefined, baselineLength: 8, modelLength: 11 },
    ])
  })

  test("equal answers without a verdict are a draw", () => {
    expect(read([{ ...judged, output_2: judged.output_1, preference: null }]).annotations[0]!.preference).toBe(1.5)
  })
})

describe("what cannot be understood is refused with what to do", () => {
  test.each([
    [
      "no JSON",
      "{",
      /^is no JSON in UTF-8; give \{"model": …, "rows": \[\{"i", .*\}\]\} or alpaca_eval's annotations.json$/,
    ],
    ["a number", "3", /^is no JSON in UTF-8/],
    ["no rows", { model: "m" }, /^has no list "rows"; give/],
    ["an empty list", [], /^holds no rows; judge some answers first$/],
    [
      "a row that is none",
      { rows: [row, 3] },
      /^row 2 is no object; give \{"model": …, "rows": \[\{"i", "pref", "len1", "len2"\}\]\}/,
    ],
    ["a key twice", '{"rows":[{"i":1,"i":2}]}', /^holds "i" twice in one object; keep one$/],
    ["i of some rows", { rows: [row, { ...row, i: undefined }] }, /^says of 1 of 2 rows by "i".* of all, or of none$/],
    [
      "an instruction twice",
      { rows: [row, { ...row, i: 5 }, row] },
      /^rows 1 and 3 are both of instruction 4; keep one/,
    ],
    ["a negative length", { rows: [{ ...row, len2: -1 }] }, /^row 1: "len2" is -1; give a whole number from 0 to/],
    ["a length of 1.5", { rows: [{ ...row, len1: 1.5 }] }, /^row 1: "len1" is 1.5; give a whole number/],
    ["no length", { rows: [{ i: 0, pref: 1 }] }, /^row 1 has neither "len1", .* nor a text "output_1"; give one$/],
    ["i that is a text", { rows: [{ ...row, i: "4" }] }, /^row 1: "i" is "4"; give a whole number/],
    [
      "a preference of 2.5",
      { rows: [{ ...row, pref: 2.5 }] },
      /^row 1: the preference is 2.5; .* from 1 .* to 2, or null$/,
    ],
    ["a preference of 0.5", { rows: [{ ...row, pref: 0.5 }] }, /^row 1: the preference is 0.5;/],
    ["a preference in words", { rows: [{ ...row, pref: "m" }] }, /^row 1: the preference is "m";/],
    [
      "a probability for a log-prob",
      { rows: [{ ...row, lp_m: 0.3 }] },
      /^row 1: "lp_m" is 0.3; a log-prob is a number of at most 0$/,
    ],
    [
      "log-probs of answers in unknown order",
      { rows: [{ ...row, lp_m: -1, lp_M: -2 }] },
      /^row 1: "swapped" is undefined; say true where the model's answer was shown first, else false$/,
    ],
  ])("%s", (_, content, message) => {
    expect(() => read(content)).toThrow(UnusableJudgements)
    expect(() => read(content)).toThrow(message)
  })

  test("bytes that are no UTF-8", () => {
    expect(() => readAnnotationFile(Uint8Array.of(0x7b, 0xff))).toThrow(/^is no JSON in UTF-8/)
  })

  test("more rows than are read", () => {
    const many = `{"rows":[${"0,".repeat(MAX_ROWS)}0]}`
    expect(() => read(many)).toThrow(/^holds 1000001 rows; at most 1000000 are read$/)
  })
})

describe("the set's difficulties", () => {
  test("are a list by instruction", () => {
    expect(readDifficulties(bytes({ note: "n", instruction_difficulty: [0, -1.5] }))).toEqual([0, -1.5])
  })

  test.each([
    ["[1]", /^is no JSON in UTF-8; give \{"instruction_difficulty": \[…\]\}$/],
    ['{"instruction_difficulty":[]}', /^has no list "instruction_difficulty" with a number for each instruction$/],
    ['{"instruction_difficulty":[0,null]}', /^the difficulty of instruction 1 is null; give a number$/],
    ['{"instruction_difficulty":[1e7]}', /^the difficulty of instruction 0 is 10000000; give a number$/],
  ])("%s is refused", (content, message) => {
    expect(() => readDifficulties(bytes(content))).toThrow(UnusableJudgements)
    expect(() => readDifficulties(bytes(content))).toThrow(message)
  })
})

describe("the gamed baselines' rows", () => {
  test("are read by their columns' names, in either way of writing a preference", () => {
    const surrogates = "model,index,len_1,len_2,std_delta_len,preference_surrogate\nv,3,10,20,-1.1,0.75\r\n"
    const stated = 'preference,len_2,len_1,index,model\n1.75,20,10,3,"v"'
    const expected = [{ gamedModel: "v", instruction: 3, baselineLength: 10, modelLength: 20, preference: 0.75 }]
    expect(readGamedRows(bytes(surrogates))).toEqual(expected)
    expect(readGamedRows(bytes(stated))).toEqual(expected)
  })

  test.each([
    ["model,len_1,len_2,preference\n", /^has no column index; it has model, len_1, len_2, preference$/],
    ["model,index,len_1,len_2\n", /^has no column preference; it has/],
    ["", /^has no column model; it has none$/],
    ["model,index,len_1,len_2,preference\n", /^holds no rows below its columns$/],
    ["model,index,len_1,len_2,preference\nv,1.5,1,2,1\n", /^line 2: index is "1.5"; give a whole number from 0 to/],
    ["model,index,len_1,len_2,preference\nv,1,1,2,0.3\n", /^line 2: preference is "0.3"; give a number from 1 to 2$/],
    ["model,index,len_1,len_2,preference\nv,1,1\n", /^line 2: len_2 is ""; give a whole number/],
    ['model,index,len_1,len_2,preference\nv,1,1"2,2,1\n', /^line 2: a double quote stands inside a cell/],
  ])("%j is refused", (content, message) => {
    expect(() => readGamedRows(bytes(content))).toThrow(UnusableJudgements)
    expect(() => readGamedRows(bytes(content))).toThrow(message)
  })

  test("bytes that are no UTF-8 are refused", () => {
    expect(() => readGamedRows(Uint8Array.of(0xff))).toThrow(/^is no text in UTF-8; give a CSV file$/)
  })
})
