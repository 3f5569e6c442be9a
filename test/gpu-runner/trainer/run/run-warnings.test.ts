// What a run says of itself, and when it is silent.
import { Result } from "effect"
import { describe, expect, test } from "vitest"
import { fittedConfig } from "#gpu-runner/trainer/rows/fitted-config.ts"
import { matchedWarning, travelWarning, weightsWarning } from "#gpu-runner/trainer/run/run-warnings.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"

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

describe("a run that cannot move", () => {
  const said = (written: object, stepCount: number, hiddenSize?: number) => {
    const config = Result.getOrThrow(decodeTrainConfig(written))
    const fitted = fittedConfig(config, { rowCount: 414, hiddenSize: 128 })
    return travelWarning({ ...fitted, tokensPerMicroBatch: 1 }, stepCount, hiddenSize)
  }

  test("has a warm-up that swallows every step", () => {
    expect(said({}, 1, 128)).toBe(
      "the run's one step has the rate 0 that a warm-up begins with: nothing will be learnt; set warmupRatio to 0, or train longer",
    )
    expect(said({ loraRank: 0 }, 1)).toMatch(/^the run's one step has the rate 0/)
    expect(said({ warmupRatio: 0 }, 1, 128)).not.toMatch(/rate 0/)
  })

  test("has rates that add up to too little: the steps, the sum and the mend are named", () => {
    // What the README's line was: 13 steps of 32 pairs at 1e-5, two of them warm-up.
    expect(said({ learningRate: 1e-5 }, 13, 128)).toMatch(
      /^13 steps at a rate of up to 0\.00001 move no weight by more than 6\.5e-5, which changes next to nothing; train about 145 times as long, or raise learningRate/,
    )
    expect(said({ learningRate: 3e-4, warmupRatio: 0, schedule: "constant" }, 31, 128)).toMatch(
      /train about 2 times as long/,
    )
    expect(said({ learningRate: 3e-4, warmupRatio: 0, schedule: "constant" }, 32, 128)).toBeUndefined()
  })

  test("is none with the defaults, nor where weights do not start from zero", () => {
    expect(said({}, 78, 128)).toBeUndefined()
    expect(said({ learningRate: 1e-5 }, 13)).toBeUndefined()
  })
})
