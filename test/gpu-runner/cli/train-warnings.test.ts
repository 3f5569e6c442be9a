// Warnings of `yohaku train`: what they say, and when they are silent.
import { expect, test } from "vitest"
import { sharedPromptsWarning, warmUpAloneWarning } from "#gpu-runner/cli/train-warnings.ts"

const row = (...ids: number[]) => ({ promptIds: Uint32Array.from(ids) })

test("held-out rows that share a prompt with the training data are counted, and the mend is named", () => {
  expect(sharedPromptsWarning([row(1, 2), row(3)], [row(3), row(1, 2, 3), row(12)])).toBe(
    "1 of 3 held-out rows have a prompt that is trained on too, so the accuracy flatters; hold out other prompts, or use heldOutShare, which splits by prompt",
  )
})

test("nothing is said of held-out rows with prompts of their own, nor without any", () => {
  expect(sharedPromptsWarning([row(1, 2)], [row(12), row(2, 1)])).toBeUndefined()
  expect(sharedPromptsWarning([row(1)], [])).toBeUndefined()
})

test("one step at rate 0 is named; a step that learns and a longer run are not", () => {
  expect(warmUpAloneWarning({ steps: 1, lastMetrics: { learning_rate: 0 } })).toMatch(
    /nothing was learnt; set warmupRatio to 0$/,
  )
  expect(warmUpAloneWarning({ steps: 1, lastMetrics: { learning_rate: 1e-5 } })).toBeUndefined()
  expect(warmUpAloneWarning({ steps: 2, lastMetrics: { learning_rate: 0 } })).toBeUndefined()
  expect(warmUpAloneWarning({ steps: 1, lastMetrics: null })).toBeUndefined()
})
