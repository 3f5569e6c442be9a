import { describe, expect, test } from "vitest"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { mostTokens } from "#shared/evaluation/judge/judge-cost.ts"
import { withOwnParameters } from "#shared/evaluation/judge/judge-parameters.ts"
import { JUDGE_PARAMETERS, judgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"

const { parameters, template } = PROTOCOLS["arena-hard-0.1"]
const reasoning = '{"max_tokens": null, "max_completion_tokens": 300, "temperature": 1, "reasoning_effort": "low"}'

test("one's own stand beside the protocol's or in their place, null takes one away, and the bound is what costs are bounded by", async () => {
  const own = withOwnParameters(parameters, reasoning)
  expect(own).toEqual({ max_completion_tokens: 300, temperature: 1, reasoning_effort: "low" })
  const pair = { instruction: "I", baseline: "b", model: "m" }
  const question = await judgeQuestion("j", template, pair, own, false)
  expect(question.body).toMatchObject({ model: "j", reasoning_effort: "low" })
  expect(mostTokens(question).completion).toBe(300)
  expect(question.key).not.toBe((await judgeQuestion("j", template, pair, parameters, false)).key)
  expect(withOwnParameters(JUDGE_PARAMETERS, '{"seed": 3}')).toEqual({ ...JUDGE_PARAMETERS, seed: 3 })
})

describe("what would change how an answer is read or bounded is refused", () => {
  test.each([
    ["[]", /^is no JSON object$/],
    ["{", /^is no JSON object$/],
    ['{"seed": 1, "seed": 2}', /^holds "seed" twice; keep one$/],
    ['{"logprobs": false}', /^sets logprobs, which is the protocol's; leave it away$/],
    ['{"model": "other"}', /^sets model,/],
    ['{"n": 2}', /^sets n,/],
    ['{"max_tokens": null}', /^leaves 0 bounds of an answer; say max_tokens or max_completion_tokens$/],
    ['{"max_completion_tokens": 5}', /^leaves 2 bounds/],
    ['{"max_tokens": 0}', /^sets max_tokens to 0; give a whole number from 1 to 1000000$/],
    ['{"max_tokens": "5"}', /^sets max_tokens to "5"/],
  ])("%s", (written, message) => {
    expect(() => withOwnParameters(parameters, written)).toThrow(UnusableJudgements)
    expect(() => withOwnParameters(parameters, written)).toThrow(message)
  })
})
