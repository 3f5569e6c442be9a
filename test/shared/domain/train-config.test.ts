// Decoding a training configuration: defaults, and refusals that name the key.
import { Result } from "effect"
import { describe, expect, test } from "vitest"
import { numericKeys } from "#infra/docs/range-table.ts"
import { unservableConfig } from "#shared/domain/servable-config.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { methodDefaults, methodNames } from "#shared/methods/methods.ts"
import { presets } from "#shared/methods/presets.ts"

const refusal = (input: unknown) => {
  const decoded = decodeTrainConfig(input)
  return Result.isFailure(decoded) ? decoded.failure.message : "accepted"
}

test("an empty configuration is α-DPO with LoRA at its documented defaults", () => {
  const config = Result.getOrThrow(decodeTrainConfig({}))
  expect(config).toMatchObject({
    method: "alpha-dpo",
    beta: 2.5,
    gammaBetaRatio: 0.6,
    alpha: 0.2,
    loraRank: 16,
    loraAlpha: 32,
  })
  expect(config.loraTargets).toHaveLength(7)
  for (const key of ["learningRate", "batch", "epochs"])
    expect(config, "by the rows and the model").not.toHaveProperty(key)
})

test("defaults follow the method and whether LoRA is used", () => {
  expect(Result.getOrThrow(decodeTrainConfig({ method: "dpo" })).beta).toBe(0.1)
  expect(Result.getOrThrow(decodeTrainConfig({ method: "cpo" })).sftWeight).toBe(1)
  expect(Result.getOrThrow(decodeTrainConfig({ loraRank: 4 })).loraAlpha).toBe(8)
})

test("a frozen base is held in the checkpoint's own dtype unless it is said otherwise", () => {
  expect(Result.getOrThrow(decodeTrainConfig({})).baseWeights).toBe("stored")
  expect(Result.getOrThrow(decodeTrainConfig({ baseWeights: "nf4" })).baseWeights).toBe("nf4")
})

test.each(methodNames)("a resolved configuration of %s decodes to itself", (method) => {
  const config = Result.getOrThrow(decodeTrainConfig({ method, seed: 9 }))
  expect(Result.getOrThrow(decodeTrainConfig(config))).toEqual(config)
})

test("a resolved configuration names the options that its method reads, and no others", () => {
  const optionsOf = (input: object) =>
    Object.keys(methodDefaults("dpo")).filter((key) => key in Result.getOrThrow(decodeTrainConfig(input)))
  expect(optionsOf({ method: "sft" })).toEqual(["method"])
  expect(optionsOf({ method: "kto" })).toEqual(["method", "beta", "desirableWeight", "undesirableWeight"])
  expect(optionsOf({ method: "orpo" })).toEqual(["method", "beta", "sftWeight", "useWeighting"])
  expect(optionsOf({ statistics: "official" })).toContain("officialGroupPairs")
  expect(optionsOf({ statistics: "official" })).not.toContain("gapStdFloor")
  expect(Result.getOrThrow(decodeTrainConfig({ method: "cpo" }))).toMatchObject({ beta: 0.1, sftWeight: 1 })
})

describe("over a base, a preset or a dataset's configuration", () => {
  const decoded = (input: object, base: Readonly<Record<string, unknown>>) =>
    Result.getOrThrow(decodeTrainConfig(input, base))
  const preset = presets["llama-3-8b-instruct-v2"]

  test("keys are overridden one by one", () => {
    expect(decoded({ alpha: 0.3 }, preset)).toMatchObject({ alpha: 0.3, beta: 10, gammaBetaRatio: 0.4, loraRank: 0 })
  })

  test("another method keeps what it reads and drops the rest", () => {
    const config = decoded({ method: "simpo" }, preset)
    expect(config).toMatchObject({ method: "simpo", beta: 10, gammaBetaRatio: 0.4 })
    expect("alpha" in config).toBe(false)
  })

  test("another setting of statistics drops the group size of the first", () => {
    const config = decoded({ statistics: "lagged" }, { statistics: "official", officialGroupPairs: 4 })
    expect(config).toMatchObject({ statistics: "lagged", gapStdFloor: 1e-3 })
    expect("officialGroupPairs" in config).toBe(false)
  })

  test("a β of the other reduction is not dropped but refused", () => {
    const refused = decodeTrainConfig({ method: "dpo" }, preset)
    expect(Result.isFailure(refused) && refused.failure.message).toMatch(/beta 10 does not belong to dpo/)
  })

  test("the base's own mistakes are not forgiven, nor are written ones", () => {
    const failure = (input: object, base: Readonly<Record<string, unknown>>) => {
      const result = decodeTrainConfig(input, base)
      return Result.isFailure(result) ? result.failure.message : "accepted"
    }
    expect(failure({}, { method: "dpo", alpha: 0.2 })).toMatch(/alpha does not belong to dpo/)
    expect(failure({ method: "dpo", beta: 0.1, alpha: 0.2 }, preset)).toMatch(/alpha does not belong to dpo/)
  })
})

describe("every number has two bounds that a person could mean", () => {
  const numbers = numericKeys()

  test("there are many", () => expect(numbers.length).toBeGreaterThan(35))

  test.each(numbers)("%s, and what lies beyond is refused with the bound", (key, schema) => {
    const ends = [schema.minimum ?? schema.exclusiveMinimum, schema.maximum ?? schema.exclusiveMaximum]
    expect(ends).toEqual([expect.any(Number), expect.any(Number)])
    const [least, most] = ends as [number, number]
    const bounds = new RegExp(`between ${least}(?: \\(excluded\\))? and ${most}(?: \\(excluded\\))? at \\["${key}"\\]`)
    expect(refusal({ [key]: most + 1 })).toMatch(bounds)
    expect(refusal({ [key]: least - 1 })).toMatch(bounds)
    if (schema.maximum !== undefined) expect(refusal({ [key]: most })).not.toMatch(/between/)
  })

  test("a slip of the keyboard is told with what was written", () => {
    expect(refusal({ epochs: 1e9 })).toBe(
      'the training configuration cannot be used: Expected a value between 1 and 10000 at ["epochs"], got 1000000000',
    )
  })
})

describe("refused by name", () => {
  test("an unknown key, with the known ones listed", () => {
    expect(refusal({ betta: 1 })).toMatch(/unknown key \["betta"\].*known keys: method, beta, gammaBetaRatio/)
  })

  test("keys of TRL, transformers and PEFT, with their names here and nothing else", () => {
    const written = { per_device_train_batch_size: 4, num_train_epochs: 1, r: 8, LearningRate: 1, bf16: true }
    expect(refusal(written)).toBe(
      "the training configuration cannot be used: " +
        'unknown key ["per_device_train_batch_size"] (batch is the pairs of one optimiser step: per_device_train_batch_size × gradient_accumulation_steps × devices); ' +
        'unknown key ["num_train_epochs"] (it is called epochs here); ' +
        'unknown key ["r"] (it is called loraRank here); ' +
        'unknown key ["LearningRate"] (it is called learningRate here); ' +
        'unknown key ["bf16"] (precision "mixed" or "f32" says how products are computed, and baseWeights how a frozen base is held)',
    )
  })

  test.each([
    [{ batch: "4" }, 'Expected number at ["batch"], got "4"'],
    [{ epochs: 1.5 }, 'Expected an integer at ["epochs"], got 1.5'],
    [{ method: "sigmoid" }, 'at ["method"], got "sigmoid" ("dpo" is that loss)'],
    [{ method: "DPO" }, 'at ["method"], got "DPO" ("dpo" is how it is written here)'],
    [
      { schedule: "cosine_with_restarts" },
      'at ["schedule"], got "cosine_with_restarts" ("cosine-with-restarts" is how it is written here)',
    ],
    [{ optimiser: "adamw_torch" }, 'at ["optimiser"], got "adamw_torch" ("adamw" is that one)'],
    [
      { loraTargets: "all-linear" },
      'at ["loraTargets"], got "all-linear" (leave it out: all seven linear modules are the default)',
    ],
    [{ loraTargets: ["query"] }, 'at ["loraTargets"][0]'],
  ])("a value %o, with what was written and what it is called here", (input, ending) => {
    const message = refusal(input)
    expect(message.endsWith(ending), message).toBe(true)
  })

  test.each([
    [{ method: "ppo" }, /\["method"\]/],
    [{ beta: 0 }, /\["beta"\]/],
    [{ labelSmoothing: 0.5 }, /\["labelSmoothing"\]/],
    [{ learningRate: Number.NaN }, /\["learningRate"\]/],
    [{ batch: 1.5 }, /\["batch"\]/],
    [{ loraTargets: ["lm_head"] }, /\["loraTargets"\]/],
    [{ overflow: "cut" }, /\["overflow"\]/],
    [{ method: "dpo", dpoLoss: "exo" }, /\["dpoLoss"\]/],
    [{ method: "tdpo", tdpoVariant: 3 }, /\["tdpoVariant"\]/],
    [{ method: "ld-dpo", ldAlpha: 1.5 }, /\["ldAlpha"\]/],
    [{ method: "kto", desirableWeight: -1 }, /\["desirableWeight"\]/],
    [{ baseWeights: "fp4" }, /\["baseWeights"\]/],
  ])("%o", (input, message) => {
    expect(refusal(input)).toMatch(message)
  })

  test.each([
    [{ loraDropout: 1 }, /\["loraDropout"\]/],
    [{ loraDropout: 0.1, loraRank: 0 }, /loraDropout belongs to an adapter.*set loraRank/],
    [{ useRankStabilisedLora: true, loraRank: 0 }, /useRankStabilisedLora belongs to an adapter/],
  ])("an adapter's option: %o", (input, message) => {
    expect(refusal(input)).toMatch(message)
  })

  test("a base of fewer bits where all weights are trained", () => {
    for (const baseWeights of ["bf16", "f16", "int8", "nf4"]) {
      expect(refusal({ loraRank: 0, baseWeights })).toBe(
        `baseWeights ${baseWeights} holds a frozen base, and loraRank 0 trains all weights in f32; set loraRank, or leave baseWeights out`,
      )
    }
    expect(refusal({ loraRank: 0, baseWeights: "f32" })).toBe("accepted")
    expect(refusal({ loraRank: 0 })).toBe("accepted")
  })

  test("a β of the other reduction, unless it is allowed", () => {
    expect(refusal({ method: "dpo", beta: 2.5 })).toMatch(/reduces log-probs by sum/)
    expect(refusal({ beta: 0.1 })).toMatch(/reduces log-probs by mean/)
    expect(refusal({ beta: 0.1, allowUnusualBeta: true })).toBe("accepted")
    expect(refusal({ method: "ipo", beta: 2.5 })).toMatch(/does not belong to ipo.*wants about 0.01 to 1/)
    expect(refusal({ method: "ipo", beta: 1, ipoReduction: "sum" })).toBe("accepted")
    expect(refusal({ method: "orpo", beta: 2.5 })).toMatch(/does not belong to orpo/)
  })

  test.each([
    [{ method: "sft", beta: 0.1 }, /beta does not belong to sft \(it belongs to alpha-dpo, simpo, dpo, /],
    [
      { method: "dpo", gammaBetaRatio: 0.6 },
      /gammaBetaRatio does not belong to dpo \(it belongs to alpha-dpo, simpo, alphapo\); leave it out/,
    ],
    [{ ldAlpha: 0.5 }, /ldAlpha does not belong to alpha-dpo \(it belongs to ld-dpo\)/],
    [{ method: "kto", sftWeight: 0.1 }, /sftWeight does not belong to kto/],
    [{ weightingForm: "authors" }, /weightingForm is not read without useWeighting true; leave it out/],
    [{ method: "kto", useWeighting: false }, /useWeighting does not belong to kto/],
    [{ method: "ipo", labelSmoothing: 0 }, /labelSmoothing does not belong to ipo/],
    [{ method: "simpo", statistics: "adaptive" }, /statistics does not belong to simpo/],
    [{ officialGroupPairs: 8 }, /officialGroupPairs is not read without statistics "official"/],
    [{ gapShare: 0.5, alpha: 0.2 }, /alpha is not read beside gapShare, which takes its place; leave it out/],
    [
      { gapShare: 0.5, gapStdFloor: 0.1 },
      /gapStdFloor is not read beside gapShare, which takes its place; leave it out/,
    ],
    [{ gapCap: 1 }, /gapCap is not read without gapShare; leave it out/],
    [
      { statistics: "official", gapStdFloor: 0.01 },
      /gapStdFloor is not read without statistics "adaptive" or "lagged"/,
    ],
    [
      { method: "dpo", dpoLoss: "hinge", labelSmoothing: 0.1 },
      /labelSmoothing is not read without dpoLoss "sigmoid" or "robust"/,
    ],
    [{ method: "tdpo", tdpoVariant: 1, tdpoAlpha: 0.5 }, /tdpoAlpha is not read without tdpoVariant 2/],
    [{ method: "dpo", alpha: 0.2, ldAlpha: 1 }, /alpha does not belong to dpo.*; ldAlpha does not belong to dpo/],
  ])("an option that the method does not read, even at its default: %o", (input, message) => {
    expect(refusal(input)).toMatch(message)
  })

  test.each(methodNames.flatMap((method) => [{ method }, { method, loraRank: 0 }, { method, baseWeights: "nf4" }]))(
    "what a run over a pack takes: %o",
    (input) => {
      expect(unservableConfig(Result.getOrThrow(decodeTrainConfig(input)))).toBeUndefined()
    },
  )
})
