// What an endpoint's verdicts come to is counted prompt by prompt only where they are of the suite that was asked.
import { expect, test } from "vitest"
import type { AskedRun } from "#shared/evaluation/judge/asked-run.ts"
import type { SuitePrompt } from "#shared/judgement/sources/prompt-suite.ts"
import { valuedPrompts } from "#shared/workflows/asked-answers.ts"

const prompts = (...ids: readonly string[]) =>
  ids.map((id) => ({ id, prompt: id, groups: {} })) as never as SuitePrompt[]
const asked = (...ids: readonly string[]) =>
  ({
    protocol: "log-probs",
    pairs: ids.map((id) => ({ id, questions: [], modelLength: 4, baselineLength: 2 })),
  }) as never as AskedRun
const silent = { answerTo: () => undefined, followUpOf: () => undefined }

test("verdicts of two samples a prompt are of their prompt, and one of another prompt makes all of them another suite's", () => {
  const suite = prompts("a", "b")
  const valued = valuedPrompts(suite, asked("a", "a", "b", "b"), silent)
  expect(valued).toMatchObject([
    { groups: {}, candidateLength: 4, againstLength: 2 },
    { groups: {}, candidateLength: 4, againstLength: 2 },
  ])
  for (const other of [["a", "b", "a", "b"], ["a", "a", "b", "c"], ["a", "a", "b"], []])
    expect(valuedPrompts(suite, asked(...other), silent)).toBeUndefined()
})
