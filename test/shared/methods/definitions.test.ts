// What every definition of a method keeps to, so that what is derived from it holds: names, options, defaults, types.
import { existsSync } from "node:fs"
import path from "node:path"
import { Result, Schema } from "effect"
import { describe, expect, expectTypeOf, test } from "vitest"
import { type TrainMethod, type TrainMethodInput, trainMethodFields } from "#shared/domain/TrainMethod.ts"
import {
  allOptions,
  DEFAULT_METHOD,
  defaultsOf,
  definitions,
  foreignOption,
  type MethodOptions,
  methodDefaults,
  methodNames,
  optionsOf,
  ownersOf,
  type PreferenceMethod,
  preferenceDefinitions,
  preferenceMethods,
} from "#shared/methods/methods.ts"
import { shownValue } from "#shared/methods/option.ts"
import { betaOf, gammaBetaRatio } from "#shared/methods/options.ts"

const folder = path.resolve(import.meta.dirname, "../../../shared/methods")

describe.each(definitions)("$name", ({ name, title, docs }) => {
  test("stands in a file of its name, and says its formula, reward and source", () => {
    expect(existsSync(path.join(folder, `${name}.ts`))).toBe(true)
    for (const words of [title, docs.formula, docs.reward, docs.source]) expect(words).not.toBe("")
  })
})

describe.each(preferenceDefinitions)("$name", (definition) => {
  const { name, beta, conditions = {}, defaults = {} } = definition
  const keys = optionsOf(definition).map(({ key }) => key)

  test("has its default β inside its usual range, which its own check takes", () => {
    const { default: value, low, high, isUsual } = beta
    expect(low <= value && value <= high).toBe(true)
    expect([low, value, high].every(isUsual)).toBe(true)
  })

  test("has defaults that its options accept", () => {
    const decode = Schema.decodeUnknownResult(Schema.Struct(trainMethodFields))
    const options = methodDefaults(name)
    const written = Object.fromEntries(keys.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])))
    expect(Result.getOrThrow(decode(written))).toEqual(written)
  })

  test("states defaults and conditions of options that it reads, and no others", () => {
    expect(
      [...Object.keys(defaults), ...Object.keys(conditions)].filter((key) => !keys.includes(key as never)),
    ).toEqual([])
  })
})

test("no two options have one key, and β stands first", () => {
  const keys = allOptions.map(({ key }) => key)
  expect(new Set(keys).size).toBe(keys.length)
  expect(keys.slice(0, 3)).toEqual(["beta", "gammaBetaRatio", "alpha"])
})

test("the names keep the order of arrival, those without a comparison last; the first is the default", () => {
  const first = ["alpha-dpo", "simpo", "dpo", "ipo", "cpo", "orpo", "r-dpo", "kto", "alphapo", "tdpo", "ld-dpo"]
  expect(preferenceMethods.slice(0, first.length)).toEqual(first)
  expect(methodNames).toEqual([...preferenceMethods, "sft"])
  expect(DEFAULT_METHOD).toBe("alpha-dpo")
})

test("an option's owners, and the methods whose default is another", () => {
  expect(ownersOf("gammaBetaRatio")).toEqual(["alpha-dpo", "simpo", "alphapo"])
  expect(defaultsOf(gammaBetaRatio)).toEqual({ value: 0.6, others: new Map([[0.04, ["alphapo"]]]) })
})

test("a condition of one method says nothing about another's option of that key", () => {
  const choice = { method: "simpo", dpoLoss: "hinge", labelSmoothing: 0.1 } as const
  expect(foreignOption("labelSmoothing", choice)).toBeUndefined()
  expect(foreignOption("labelSmoothing", { ...choice, method: "dpo" })).toMatch(/is not read without dpoLoss "sigmoid"/)
})

test("√0.2 parts the β of means from those of sums", () => {
  expect([0.447, 0.448].map(betaOf.sum.isUsual)).toEqual([true, false])
  expect([0.447, 0.448].map(betaOf.mean.isUsual)).toEqual([false, true])
})

test("small numbers are written with their power of ten", () => {
  expect([1e-3, 0.04, 0, 2, "mean", false].map(shownValue)).toEqual(["1e-3", "0.04", "0", "2", "mean", "false"])
})

test("types are as precise as the definitions", () => {
  expectTypeOf<MethodOptions["dpoLoss"]>().toEqualTypeOf<"sigmoid" | "robust" | "hinge">()
  expectTypeOf<MethodOptions["tdpoVariant"]>().toEqualTypeOf<1 | 2>()
  expectTypeOf<MethodOptions["useWeighting"]>().toEqualTypeOf<boolean>()
  expectTypeOf<TrainMethodInput["ipoReduction"]>().toEqualTypeOf<"mean" | "sum" | undefined>()
  expectTypeOf<(typeof TrainMethod)["Type"]>().toEqualTypeOf<PreferenceMethod | "sft">()
  expectTypeOf<PreferenceMethod>().extract<"sft">().toEqualTypeOf<never>()
  expectTypeOf<PreferenceMethod>().extract<"alpha-dpo" | "ld-dpo">().toEqualTypeOf<"alpha-dpo" | "ld-dpo">()
})
