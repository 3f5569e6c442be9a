// The loop's configuration keys: transformers' defaults for each schedule, and no key that would be ignored in silence.
import { Result } from "effect"
import { describe, expect, test } from "vitest"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"

const resolved = (input: object) => Result.getOrThrow(decodeTrainConfig(input))
const fault = (input: object) => Result.getOrThrow(Result.flip(decodeTrainConfig(input))).message

describe("a resolved configuration names what its schedule reads, and nothing else", () => {
  test.each([
    ["cosine", { scheduleCycles: 0.5, warmupRatio: 0.1 }],
    ["constant", { warmupRatio: 0 }],
    ["cosine-with-restarts", { scheduleCycles: 1 }],
    ["polynomial", { schedulePower: 1, minLearningRate: 1e-7 }],
    ["inverse-sqrt", {}],
  ])("%s", (schedule, expected) => {
    const config = resolved({ schedule })
    expect(config).toMatchObject({ schedule, ...expected })
    const own = ["scheduleCycles", "schedulePower", "minLearningRate", "decaySteps", "warmupShape"]
    expect(own.filter((name) => name in config)).toEqual(own.filter((name) => name in expected))
    expect(resolved(config)).toEqual(config)
  })

  test("warmup-stable-decay", () => {
    const config = resolved({ schedule: "warmup-stable-decay", decaySteps: 20, warmupSteps: 5 })
    const expected = { warmupRatio: 0, warmupShape: "linear", decayShape: "cosine", minLearningRateRatio: 0 }
    expect(config).toMatchObject(expected)
    expect(resolved(config)).toEqual(config)
  })
})

describe("keys that do not belong together are refused with the mend", () => {
  test.each([
    [{ schedule: "constant", warmupRatio: 0.1 }, /"constant" has no warm-up; use "constant-with-warmup"/],
    [{ warmupRatio: 0.1, warmupSteps: 5 }, /exclude each other; keep one/],
    [{ schedule: "linear", scheduleCycles: 2 }, /scheduleCycles belongs to schedule cosine, .* not to linear/],
    [{ schedule: "cosine-with-min-lr" }, /needs one of minLearningRate and minLearningRateRatio/],
    [{ schedule: "cosine-with-min-lr", minLearningRate: 1e-7, minLearningRateRatio: 0.1 }, /needs one of/],
    [{ schedule: "warmup-stable-decay" }, /needs decaySteps/],
    [{ onKlBudget: "lower-rate" }, /onKlBudget says what happens beyond klBudget; give a klBudget, or leave it out/],
    [{ klBudget: 0.5, loadBestAtEnd: true, onKlBudget: "wait" }, /onKlBudget/],
    [{ klBudget: 0.5 }, /loadBestAtEnd writes what was within it; set loadBestAtEnd to true/],
    [{ schedule: "polynomial", learningRate: 1e-8 }, /minLearningRate 1e-7 is not below learningRate 1e-8/],
    [{ schedule: "reduce-lr-on-plateau" }, /schedule/],
    [{ heldOutShare: 1 }, /heldOutShare/],
    [{ optimiser: "sgd" }, /optimiser/],
  ])("%j", (input, message) => {
    expect(fault(input)).toMatch(message)
  })
})
