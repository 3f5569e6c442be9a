// Warnings of `yohaku train`: what they say, and when they are silent.
import { expect, test } from "vitest"
import { repeatedPromptWarnings } from "#gpu-runner/cli/train-warnings.ts"

const row = (...ids: number[]) => ({ promptIds: Uint32Array.from(ids) })
const byIds = ({ promptIds }: { readonly promptIds: Uint32Array }) => promptIds.join()

test("held-out rows that share a prompt with the training data are counted, and the mend is named", () => {
  expect(repeatedPromptWarnings([row(1, 2), row(3)], [row(3), row(1, 2, 3), row(12)], byIds)).toEqual([
    "1 of 3 held-out rows have a prompt that is trained on too, so the accuracy flatters; hold out other prompts, or use heldOutShare, which splits by prompt",
  ])
})

test("another form of a trained prompt is that prompt, and a prompt that nearly repeats one is counted by itself", () => {
  const long = Array.from({ length: 20 }, (_, index) => 100 + index)
  const canonical = ({ promptIds }: { readonly promptIds: Uint32Array }) =>
    byIds({ promptIds: promptIds.map((id) => id % 50) })
  expect(repeatedPromptWarnings([row(1, 2), row(...long)], [row(51, 52), row(...long, 7), row(9)], canonical)).toEqual([
    "1 of 3 held-out rows have a prompt that is trained on too, so the accuracy flatters; hold out other prompts, or use heldOutShare, which splits by prompt",
    "1 of 3 held-out rows nearly repeat a prompt that is trained on, so the accuracy flatters",
  ])
})

test("nothing is said of held-out rows with prompts of their own, nor without any", () => {
  expect(repeatedPromptWarnings([row(1, 2)], [row(12), row(2, 1)], byIds)).toEqual([])
  expect(repeatedPromptWarnings([row(1)], [], byIds)).toEqual([])
})
