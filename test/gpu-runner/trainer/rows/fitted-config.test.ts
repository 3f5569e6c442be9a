// Batch, epochs and rate by default fit the rows and the model; what is written stays.
import { Result } from "effect"
import { describe, expect, test } from "vitest"
import { UnusableConfig } from "#gpu-runner/trainer/errors.ts"
import { fittedConfig } from "#gpu-runner/trainer/rows/fitted-config.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"

const decoded = (written: object) => Result.getOrThrow(decodeTrainConfig(written))
const fitted = (written: object, rowCount = 414, hiddenSize = 128) =>
  fittedConfig(decoded(written), { rowCount, hiddenSize })

test.each([
  [1, 4, 3],
  [12, 4, 3],
  [100, 4, 3],
  [128, 8, 3],
  [414, 16, 3],
  [800, 32, 3],
  [1601, 32, 2],
  [3168, 32, 2],
  [3200, 32, 1],
  [60_000, 32, 1],
])("%i rows are trained in batches of %i, %i epochs", (rowCount, batch, epochs) => {
  expect(fitted({}, rowCount)).toMatchObject({ batch, epochs })
})

test("epochs fit a batch that is written, and what is written stays", () => {
  expect(fitted({ batch: 128 }, 1280)).toMatchObject({ batch: 128, epochs: 3 })
  expect(fitted({ batch: 1 }, 414)).toMatchObject({ batch: 1, epochs: 1 })
  const own = { batch: 7, epochs: 9, learningRate: 1e-9 }
  expect(fitted(own)).toMatchObject(own)
})

describe("the rate", () => {
  test("of LoRA falls with the model's width", () => {
    expect(fitted({}, 414, 128).learningRate).toBe(2e-3)
    expect(fitted({ method: "dpo" }, 9, 4096).learningRate).toBe(6.25e-5)
  })

  test("of all weights, and of sft, is a constant", () => {
    expect(fitted({ loraRank: 0 }).learningRate).toBe(1e-6)
    expect(fitted({ method: "sft" }).learningRate).toBe(2e-4)
    expect(fitted({ method: "sft", loraRank: 0 }).learningRate).toBe(2e-5)
  })

  test("must be above a schedule's end, which can be seen only here", () => {
    const written = { schedule: "polynomial", minLearningRate: 0.1 }
    expect(() => fitted(written)).toThrow(UnusableConfig)
    expect(() => fitted(written)).toThrow(/minLearningRate 0.1 is not below learningRate 0.002/)
  })
})
