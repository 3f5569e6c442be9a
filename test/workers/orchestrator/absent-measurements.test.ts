// What a run's gates say of measurements that it does not have: silent by default, each with its reason where a dataset declared the rule.
import { describe, expect, it } from "vitest"
import { DEFAULT_LIMITS } from "#shared/gates/default-rules.ts"
import type { GateRule } from "#shared/gates/gates-declaration.ts"
import type { MeasurementName } from "#shared/gates/measurements.ts"
import type { Evaluated } from "#shared/workflows/retrain.ts"
import { type Circumstances, gatesOf, judge } from "#workers/orchestrator/retrain/gates.ts"

const EVALUATED: Evaluated = {
  ...{ baseAccuracy: 0.5, accuracy: 0.75, accuracyLow: 0.6, accuracyHigh: 0.85 },
  ...{ driftPerToken: 0.25, pairs: 50, nonFinite: 0 },
}

const verdict = (rule: GateRule, circumstances: Circumstances) =>
  judge(EVALUATED, gatesOf(DEFAULT_LIMITS, { rules: [rule] }), circumstances)[1]!

const of = (measurement: MeasurementName, circumstances: Circumstances = {}) =>
  verdict({ measurement, ...(measurement === "taken-back" ? { atMost: 0 } : { atLeast: 0 }) }, circumstances)

const MAY_BE_ABSENT: readonly MeasurementName[] = [
  ...(["worst-setting-gain", "worst-language-gain", "short-chosen-gain", "worst-setting-lead"] as const),
  ...(["worst-language-lead", "old-pairs-gain", "old-pairs-lead", "old-pairs-change"] as const),
  ...(["lead-over-production", "taken-back"] as const),
]
const WITH_PRODUCTION: Circumstances = { championAccuracy: 0.7 }

describe("a declared gate without its measurement", () => {
  it("is closed where held-out pairs are missing that it asks for", () => {
    const closed = MAY_BE_ABSENT.filter((name) => !of(name, WITH_PRODUCTION).passed)
    const data = ["worst-setting-gain", "worst-language-gain", "short-chosen-gain", "worst-setting-lead"]
    expect(closed).toEqual([...data, "worst-language-lead"])
    expect(of("worst-language-gain").explanation).toMatch(/could not be measured: no writing system has 20 held-out/)
    expect(of("short-chosen-gain").explanation).toMatch(/could not be measured: of fewer than 20 held-out pairs is/)
  })

  it("is passed without production or old pairs, because else no first adapter were ever promoted", () => {
    const closed = MAY_BE_ABSENT.filter((name) => !of(name).passed)
    expect(closed).toEqual(["worst-setting-gain", "worst-language-gain", "short-chosen-gain"])
    expect(of("worst-setting-lead").explanation).toMatch(/does not apply yet: production serves nothing/)
    expect(of("old-pairs-lead", WITH_PRODUCTION).explanation).toMatch(
      /does not apply yet: fewer than 20 of the held-out pairs were there at an earlier run/,
    )
    expect(of("taken-back")).toMatchObject({ gate: "still-said", passed: true, value: 0 })
  })

  it("only warns where the rule does", () => {
    const rule = { measurement: "worst-setting-gain", atLeast: 0, severity: "warn" } as const
    expect(verdict(rule, {})).toMatchObject({ passed: false, severity: "warn" })
  })
})

it("a default rule that does not apply has no gate", () => {
  const gates = judge({ ...EVALUATED, measurements: {} }, gatesOf(DEFAULT_LIMITS, {}))
  const names = gates.map(({ gate }) => gate)
  expect(names.slice(0, 3)).toEqual(["finite", "gain-over-base", "drift"])
  for (const absent of [...MAY_BE_ABSENT, "no-worse-than-production", "still-said"]) expect(names).not.toContain(absent)
})
