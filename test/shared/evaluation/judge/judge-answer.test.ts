import { describe, expect, test } from "vitest"
import { readJudgeAnswer } from "#shared/evaluation/judge/judge-answer.ts"

const top = [
  { token: "M", logprob: -0.2 },
  { token: "m", logprob: -1.7 },
]
const response = (more: object = {}, choice: object = {}) => ({
  model: "judge-1-2026-01-05",
  choices: [
    {
      message: { content: "M" },
      finish_reason: "length",
      logprobs: { content: [{ token: "M", logprob: -0.2, top_logprobs: top }] },
      ...choice,
    },
  ],
  usage: { prompt_tokens: 900, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 640 } },
  ...more,
})
const logprobs = (content: unknown) => ({ logprobs: { content } })

describe("an answer", () => {
  test("has a verdict, who answered, and what it took", () => {
    expect(readJudgeAnswer(response(), "judge-1")).toEqual({
      model: "judge-1-2026-01-05",
      text: "M",
      verdict: { first: -1.7, second: -0.2 },
      finishReason: "length",
      tokens: { prompt: 900, cached: 640, completion: 1 },
    })
  })

  test.each(["", "-2026-01-05", "-20260105", "-0105"])("of the judge's name, %j after it, is the judge's", (date) => {
    expect(readJudgeAnswer(response({ model: `judge-1${date}` }), "judge-1")).toMatchObject({ text: "M" })
  })

  test("whose engine rounds a certain token above 0 is certain", () => {
    const certain = response({}, logprobs([{ top_logprobs: [{ token: "m", logprob: 1e-7 }] }]))
    expect(readJudgeAnswer(certain, "judge-1")).toMatchObject({ verdict: { first: 0, second: undefined } })
  })

  test("may say nothing of what it took", () => {
    const { usage: _, ...silent } = response()
    expect(readJudgeAnswer(silent, "judge-1")).toMatchObject({ tokens: { prompt: 0, cached: 0, completion: 0 } })
  })

  test("that names neither answer is an answer without a verdict", () => {
    const hesitant = response({}, logprobs([{ top_logprobs: [{ token: "The", logprob: -0.01 }] }]))
    expect(readJudgeAnswer(hesitant, "judge-1")).toMatchObject({ verdict: { first: undefined, second: undefined } })
  })
})

test.each([
  ["of another model", response({ model: "judge-10" }), "another-model"],
  ["of a smaller model", response({ model: "judge-1-mini" }), "another-model"],
  ["of a smaller model, dated", response({ model: "judge-1-mini-2026-01-05" }), "another-model"],
  ["of a later version", response({ model: "judge-1-5" }), "another-model"],
  ["without log-probs", response({}, { logprobs: null }), "no-log-probs"],
  ["with the chosen token's log-prob alone", response({}, logprobs([{ token: "M", logprob: 0 }])), "no-log-probs"],
  ["with an empty list of likeliest tokens", response({}, logprobs([{ top_logprobs: [] }])), "no-log-probs"],
  ["of no token", response({}, logprobs([])), "malformed"],
  ["without a choice", response({ choices: [] }), "malformed"],
  ["without a model", response({ model: undefined }), "malformed"],
  ["that is an error told with status 200", { error: { message: "overloaded" } }, "malformed"],
  ["that is a text", "M", "malformed"],
  ["that is null", null, "malformed"],
  [
    "with log-probs that are probabilities",
    response({}, logprobs([{ top_logprobs: [{ token: "m", logprob: 0.7 }] }])),
    "no-log-probs",
  ],
])("an answer %s is none: %#", (_, value, fault) => {
  expect(readJudgeAnswer(value, "judge-1")).toEqual({ fault })
})
