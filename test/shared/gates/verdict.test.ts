// Rules over measurements: limits at either side, ends of intervals, severities, and what could not be measured.
import { describe, expect, it } from "vitest"
import { BEHAVIOUR_RULES, DEFAULT_LIMITS, rulesOfLimits } from "#shared/gates/default-rules.ts"
import { blocks } from "#shared/gates/GateResult.ts"
import { faultOfGates, type GateRule } from "#shared/gates/gates-declaration.ts"
import { MEASUREMENTS, type Measured, type MeasurementName } from "#shared/gates/measurements.ts"
import { verdictOf, verdictsOf } from "#shared/gates/verdict.ts"

const verdict = (rule: GateRule, measured: Measured) =>
  verdictOf(rule, new Map([[rule.measurement as string, measured]]))

describe("a limit", () => {
  it("is met at itself but for rounding, and missed beyond", () => {
    const atMost = { measurement: "sameness", atMost: 0.3 } as const
    expect(verdict(atMost, { value: 0.1 + 0.2 })!.passed).toBe(true)
    expect(verdict(atMost, { value: 0.3 + 2e-9 })!.passed).toBe(false)
    const atLeast = { measurement: "worst-setting-gain", atLeast: -0.05 } as const
    expect(verdict(atLeast, { value: -0.05 })!.passed).toBe(true)
    expect(verdict(atLeast, { value: -0.05 - 2e-9 })!.passed).toBe(false)
  })

  it("is held to the end of the interval that the rule names, and to the value where there is no interval", () => {
    const measured = { value: 0.2, low: 0.05, high: 0.35, of: "32 answers" }
    const rule = { measurement: "refusal-rise", atMost: 0.1, bound: "low" } as const
    expect(verdict(rule, measured)).toEqual({
      ...{ gate: "refusal-rise", passed: true, value: 0.05, limit: 0.1, bound: "low" },
      explanation:
        "refusal-rise of 32 answers: 20.0 points (95 % interval 5.0 points to 35.0 points, of which the lower end counts), at most 10.0 points is allowed",
    })
    expect(verdict({ ...rule, bound: "high" }, measured)).toMatchObject({ passed: false, value: 0.35 })
    expect(verdict({ ...rule, bound: "value" }, measured)).toMatchObject({ passed: false, value: 0.2 })
    expect(verdict(rule, { value: 0.2 })).toMatchObject({ passed: false, value: 0.2 })
  })
})

describe("what could not be measured", () => {
  const rule = { measurement: "length-ratio", atMost: 2 } as const

  it("is a closed gate with its reason and no value", () => {
    expect(verdict(rule, { missing: "no prompt leaves room" })).toEqual({
      ...{ gate: "length-ratio", passed: false, limit: 2 },
      explanation: "length-ratio could not be measured: no prompt leaves room",
    })
    expect(verdict(rule, { value: Number.POSITIVE_INFINITY })).toMatchObject({
      ...{ passed: false, explanation: "length-ratio could not be measured: it is no finite number" },
    })
  })

  it("is no gate at all where it does not apply", () => {
    expect(verdictsOf([rule], new Map())).toEqual([])
  })
})

it("a warning is said and does not keep an adapter from production", () => {
  const rule = { measurement: "chosen-change", atLeast: -1 } as const
  const [warned, blocked] = [verdict({ ...rule, severity: "warn" }, { value: -2 })!, verdict(rule, { value: -2 })!]
  expect(warned).toMatchObject({ passed: false, severity: "warn" })
  expect([blocks(warned), blocks(blocked), blocks({ ...blocked, passed: true })]).toEqual([false, true, false])
})

it("a rule of a probe reads that probe alone, and its gate is named after it", () => {
  const measurements = new Map<string, Measured>([
    ["probe-margin-change:trigger", { value: -3, of: "2 pairs of texts" }],
    ["probe-margin-change:tone", { value: 1 }],
  ])
  const rule = { measurement: "probe-margin-change", probe: "trigger", atLeast: -0.5 } as const
  expect(verdictOf(rule, measurements)).toEqual({
    ...{ gate: "probe-margin-change:trigger", passed: false, value: -3, limit: -0.5 },
    explanation:
      "probe-margin-change of 2 pairs of texts: -3.00 nats per token, at least -0.500 nats per token is asked for",
  })
  expect(verdictOf({ ...rule, probe: "tone" }, measurements)!.passed).toBe(true)
})

describe("the default rules", () => {
  const rules = [...rulesOfLimits(DEFAULT_LIMITS), ...BEHAVIOUR_RULES]

  it("are in order, and each blocks or says that it warns", () => {
    expect(faultOfGates({ rules })).toBeUndefined()
    const warning = rules.filter(({ severity }) => severity === "warn").map(({ measurement }) => measurement)
    expect(warning).toEqual(["plain-text-change", "chosen-change"])
  })

  it("hold a measurement that is better higher to a lower limit, and the other way round", () => {
    for (const { measurement, atLeast } of rules) {
      const { better } = MEASUREMENTS[measurement as MeasurementName]
      if (better !== "near-1") expect([measurement, atLeast !== undefined]).toEqual([measurement, better === "higher"])
    }
  })
})

describe("a declaration", () => {
  const pairs = [{ prompt: "p", chosen: "c", rejected: "r" }] as const
  const probes = [{ name: "tone", pairs }]

  it("is refused where a rule has no limit, two limits, or a probe that is not there", () => {
    expect(faultOfGates({ rules: [{ measurement: "drift" }] })).toBe(
      "a rule of drift has no limit; give either atLeast or atMost",
    )
    expect(faultOfGates({ rules: [{ measurement: "drift", atLeast: 0, atMost: 1 }] })).toMatch(/has two limits/)
    expect(faultOfGates({ rules: [{ measurement: "probe-accuracy", atLeast: 0.9 }], probes })).toMatch(
      /names the probe/,
    )
    expect(faultOfGates({ rules: [{ measurement: "drift", atMost: 1, probe: "tone" }], probes })).toBe(
      "drift is of no probe; leave probe out",
    )
    expect(faultOfGates({ rules: [{ measurement: "probe-accuracy", atLeast: 0.9, probe: "x" }], probes })).toBe(
      'a rule names the probe "x", and there is only tone',
    )
    expect(faultOfGates({ probes: [...probes, ...probes] })).toMatch(/two probes are called "tone"/)
    expect(faultOfGates({ rules: [{ measurement: "probe-accuracy", atLeast: 0.9, probe: "tone" }], probes })).toBe(
      undefined,
    )
  })

  it("is refused where a limit is outside of what its measurement can be, and says how it is written", () => {
    const fault = (measurement: MeasurementName, limit: number) =>
      faultOfGates({ rules: [{ measurement, atLeast: limit }] })
    expect(fault("gain-over-base", 2)).toBe(
      "a rule of gain-over-base has the limit 2, and it is a share from -1 to 1; 2 points is 0.02",
    )
    expect(fault("accuracy", 90)).toBe(
      "a rule of accuracy has the limit 90, and it is a share from 0 to 1; 90 % is 0.9",
    )
    expect(fault("win-rate", -0.1)).toBe("a rule of win-rate has the limit -0.1, and it is a share from 0 to 1")
    expect(fault("worst-setting-gain", -5)).toMatch(/; -5 points is -0\.05$/)
    expect(fault("gain-over-base", 900)).toMatch(/from -1 to 1$/)
    expect(fault("length-ratio", 0)).toMatch(/it is a ratio above 0$/)
    expect(fault("non-finite", -1)).toMatch(/it is a count of 0 or more$/)
    expect(fault("drift", -0.1)).toMatch(/it is nats\/token, 0 or more$/)
    const inside = [
      ["gain-over-base", -1],
      ["sameness", -0.1],
      ["win-rate", 1],
      ["win-evidence", 20],
    ] as const
    for (const [name, limit] of [...inside, ["drift", 0], ["chosen-change", -3]] as const)
      expect(fault(name, limit)).toBeUndefined()
  })

  it("has probes of bounded size", () => {
    const long = "x".repeat(2000)
    const large = Array.from({ length: 4 }, (_, index) => ({
      name: `p${index}`,
      pairs: Array.from({ length: 6 }, () => ({ prompt: long, chosen: long, rejected: long })) as never,
    }))
    expect(faultOfGates({ probes: large })).toMatch(/characters together, over 131072/)
  })
})
