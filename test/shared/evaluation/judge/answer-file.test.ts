import { describe, expect, test } from "vitest"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { joinedAnswers, readAnswerFile } from "#shared/evaluation/judge/answer-file.ts"

const read = (text: string) => readAnswerFile(new TextEncoder().encode(text))
const row = { instruction: "Say hello.", output: "Hi", generator: "small", dataset: "own" }

describe("a file of answers", () => {
  test("is a list, or JSON Lines", () => {
    const expected = { model: "small", answers: [{ instruction: "Say hello.", output: "Hi" }], leftOut: 0 }
    expect(read(JSON.stringify([row]))).toEqual(expected)
    expect(read(`${JSON.stringify(row)}\n\n`)).toEqual(expected)
    expect(read('[{"instruction":"a","output":"b"}]').model).toBeUndefined()
  })

  test.each([
    ["", /^holds no answers; give \{"instruction", "output"\} an answer/],
    ["[]", /^holds no answers;/],
    ["[1", /^cannot be read: it is no JSON;/],
    ['{"instruction":"a","output":"b"}\nx', /^cannot be read: line 2 is no JSON;/],
    ['[{"instruction":"a"}]', /^answer 1 has no text "instruction" or no text "output";/],
    ['[{"instruction":"a","output":"b"},null]', /^answer 2 has no text/],
    ['[{"instruction":"a","output":"b","output":"c"}]', /^holds "output" twice in one object; keep one$/],
  ])("%j is refused", (text, message) => {
    expect(() => read(text)).toThrow(UnusableJudgements)
    expect(() => read(text)).toThrow(message)
  })

  test("bytes that are no UTF-8 are refused", () => {
    expect(() => readAnswerFile(Uint8Array.of(0xff))).toThrow(/^is no text in UTF-8;/)
  })
})

describe("two files", () => {
  const fileOf = (...answers: readonly (readonly [string, string])[]) => ({
    model: undefined,
    answers: answers.map(([instruction, output]) => ({ instruction, output })),
  })

  test("are joined by instruction in the baseline's order; one that stands twice takes its answers in order", () => {
    const baseline = fileOf(["a", "A1"], ["b", "B"], ["a", "A2"])
    expect(joinedAnswers(baseline, fileOf(["b", "b!"], ["a", "first"], ["a", "second"]))).toEqual([
      { instruction: "a", baseline: "A1", model: "first" },
      { instruction: "b", baseline: "B", model: "b!" },
      { instruction: "a", baseline: "A2", model: "second" },
    ])
  })

  test("of other instructions are refused, either way", () => {
    const one = fileOf(["a", "A"])
    const two = fileOf(["a", "A"], ["b", "B"])
    expect(() => joinedAnswers(two, one)).toThrow(/^has no answer to "b", which the baseline answers;/)
    expect(() => joinedAnswers(one, two)).toThrow(/^answers "b", which the baseline does not, or not as often;/)
    expect(() => joinedAnswers(one, two)).toThrow(UnusableJudgements)
  })
})
