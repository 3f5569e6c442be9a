import { describe, expect, test } from "vitest"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { type AskedRun, readAskedRun } from "#shared/evaluation/judge/asked-run.ts"

const run: AskedRun = {
  ...{ suite: "calibration", protocol: "text", judge: "j", model: "m" },
  parameters: { max_tokens: 64, temperature: 0 },
  template: [{ role: "user", content: "{instruction} {output_1} {output_2}" }],
  pairs: [
    {
      ...{ id: "q1", digest: "d", baselineLength: 3, modelLength: 0, votes: [0, 1], listItems: [0, 2] },
      questions: [
        { key: "k1", isSwapped: false },
        { key: "k2", isSwapped: true },
      ],
    },
    { id: 1, digest: "e", baselineLength: 5, modelLength: 5, questions: [] },
    { id: 2, digest: "f", baselineLength: 5, modelLength: 6, questions: [], given: { judge: "cheap", value: 0.75 } },
    { id: 3, digest: "g", baselineLength: 5, modelLength: 7, questions: [], given: { value: null } },
  ],
}
const bytes = (value: object) => new TextEncoder().encode(JSON.stringify(value))

test("what was asked is read as it was written", () => {
  expect(readAskedRun(bytes(run))).toEqual(run)
})

describe("what is not whole is refused", () => {
  const [pair] = run.pairs
  const withPair = (more: object) => ({ ...run, pairs: [{ ...pair!, ...more }] })

  test.each<[string, object, RegExp]>([
    ["no judge", { ...run, judge: undefined }, /^has no text "judge"; judge again/],
    ["a protocol that is none", { ...run, protocol: "words" }, /^names the protocol "words", which is none/],
    ["a length that is none", withPair({ modelLength: -1 }), /^pair 1 is not whole/],
    ["a pair without a name", withPair({ id: undefined }), /^pair 1 is not whole/],
    ["three questions", withPair({ questions: [...pair!.questions, pair!.questions[0]] }), /^pair 1 is not whole/],
    ["a question without a key", withPair({ questions: [{ isSwapped: true }] }), /^pair 1 is not whole/],
    ["a given verdict beyond 1", withPair({ given: { value: 1.5 } }), /^pair 1 is not whole/],
    ["a given verdict of nobody's", withPair({ given: { judge: 3, value: 1 } }), /^pair 1 is not whole/],
    ["a given verdict that is none", withPair({ given: null }), /^pair 1 is not whole/],
    ["no question", withPair({ questions: [null] }), /^pair 1 is not whole/],
  ])("%s", (_, value, message) => {
    expect(() => readAskedRun(bytes(value))).toThrow(UnusableJudgements)
    expect(() => readAskedRun(bytes(value))).toThrow(message)
  })
})
