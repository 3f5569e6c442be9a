// Warnings of `yohaku train`: what they say, and when they are silent.
import { expect, test } from "vitest"
import { sharedPromptsWarning } from "#gpu-runner/cli/train-warnings.ts"

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
