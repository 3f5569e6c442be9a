// What a run says of itself, and when it is silent.
import { expect, test } from "vitest"
import { matchedWarning, weightsWarning } from "#gpu-runner/trainer/run/run-warnings.ts"

test("WPO's weights are warned of where all of a step round to 0", () => {
  expect(weightsWarning([2e-9, 0], 7)).toMatch(
    /^the weights of all 2 pairs of step 7 round to 0 \(at most 2\.0e-9\).*leave useWeighting out, or train sft/,
  )
  expect(weightsWarning([2e-9, 1e-3], 7)).toBeUndefined()
  expect(weightsWarning([], 7)).toBeUndefined()
})

test("KTO names how many rows meet their own prompt, and is silent where none does", () => {
  expect(matchedWarning("kto", 3, 3)).toMatch(/^no row has a completion of another prompt to estimate kto's KL with/)
  expect(matchedWarning("kto", 2, 9)).toMatch(/^2 of 9 rows have no completion of another prompt/)
  expect(matchedWarning("kto", 0, 9)).toBeUndefined()
})
