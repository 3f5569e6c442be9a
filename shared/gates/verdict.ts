// Rules over measurements to verdicts, in the rules' order. Pure. What could not be measured is a closed gate; what has nothing to compare with
// yet is a passed one that says so; what does not apply has none.
import type { GateResult } from "./GateResult.ts"
import type { GateRule } from "./gates-declaration.ts"
import {
  isDifference,
  MEASUREMENTS,
  type Measured,
  type MeasurementDefinition,
  type MeasurementName,
  type Measurements,
  measurementKey,
} from "./measurements.ts"

/** Differences of shares carry rounding errors: 0.52 − 0.5 is not quite 0.02. */
const ROUNDING = 1e-9

export const points = (share: number): string => `${(100 * share).toFixed(1)} points`
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** What a limit is called where "at least" and "at most" would say less. */
const LIMIT_WORDS: Readonly<Partial<Record<MeasurementName, (limit: number) => string>>> = {
  "non-finite": () => "; one is one too many",
  "gain-over-base": (limit) => `, at least ${points(limit)} are asked for`,
  "lead-over-production": (limit) => `, it may fall by ${points(-limit)}`,
  drift: (limit) => `, at most ${limit} are allowed`,
  "win-evidence": (limit) => `, at least ${limit} is asked for`,
  "loss-evidence": (limit) => `, at most ${limit} is let through`,
  "taken-back": (limit) => `, at most ${percent(limit)} are let through; the next run does without them`,
}

/** A number in its measurement's unit. */
export const inWords = (name: MeasurementName, value: number): string => {
  const { unit }: MeasurementDefinition = MEASUREMENTS[name]
  if (unit === "share") return isDifference(name) ? points(value) : percent(value)
  if (unit === "count") return `${value}`
  if (unit === "ratio") return `${value.toPrecision(3)} times`
  return `${value.toPrecision(3)} nats per ${unit === "nats/token" ? "token" : "response"}`
}

type Known = Extract<Measured, { readonly value: number }>

/** The number that is held to the limit: the asked end of the interval, or the value where there is none. */
const heldValue = ({ value, low, high }: Known, bound: GateRule["bound"]): number =>
  (bound === "low" ? low : bound === "high" ? high : undefined) ?? value

const saidOf = (rule: GateRule, known: Known): string => {
  const { value, low, high, of, said } = known
  const { measurement: name, bound = "value" } = rule
  const plain = said ?? `${name}${of === undefined ? "" : ` of ${of}`}: ${inWords(name, value)}`
  if (bound === "value") return plain
  if (low === undefined || high === undefined) return `${plain} (too few for an interval)`
  const interval = `95 % interval ${inWords(name, low)} to ${inWords(name, high)}`
  return `${plain} (${interval}, of which the ${bound === "low" ? "lower" : "upper"} end counts)`
}

const limitOf = ({ atLeast, atMost }: GateRule): number => atLeast ?? atMost!

const limitWords = (rule: GateRule): string => {
  const { measurement: name, atLeast } = rule
  const own = LIMIT_WORDS[name]?.(limitOf(rule))
  return (
    own ??
    `, at ${atLeast === undefined ? "most" : "least"} ${inWords(name, limitOf(rule))} ${atLeast === undefined ? "is allowed" : "is asked for"}`
  )
}

const gateOf = ({ measurement, probe }: GateRule): string => {
  const { gate = measurement }: MeasurementDefinition = MEASUREMENTS[measurement]
  return probe === undefined ? gate : `${gate}:${probe}`
}

/** Undefined where the measurement does not apply. */
export const verdictOf = (rule: GateRule, measurements: Measurements): GateResult | undefined => {
  const measured = measurements.get(measurementKey(rule.measurement, rule.probe))
  if (measured === undefined) return undefined
  const { severity, bound } = rule
  const limit = limitOf(rule)
  const common = {
    ...{ gate: gateOf(rule), limit },
    ...(severity === undefined || severity === "block" ? {} : { severity }),
    ...(bound === undefined || bound === "value" ? {} : { bound }),
  }
  if ("nothingYet" in measured)
    return { ...common, passed: true, explanation: `${rule.measurement} does not apply yet: ${measured.nothingYet}` }
  const value = "value" in measured ? heldValue(measured, bound) : Number.NaN
  if (!("value" in measured) || !Number.isFinite(value)) {
    const reason = "missing" in measured ? measured.missing : "it is no finite number"
    return { ...common, passed: false, explanation: `${rule.measurement} could not be measured: ${reason}` }
  }
  const passed = rule.atLeast === undefined ? value <= limit + ROUNDING : value >= limit - ROUNDING
  return { ...common, value, passed, explanation: `${saidOf(rule, measured)}${limitWords(rule)}` }
}

/** The verdicts, in the order in which people should read them. */
export const verdictsOf = (rules: readonly GateRule[], measurements: Measurements): GateResult[] =>
  rules.flatMap((rule) => verdictOf(rule, measurements) ?? [])
