// What a dataset declares of its gates: rules over named measurements, and probes of its own beside the built-in ones.
import { Schema } from "effect"
import { isDifference, MEASUREMENT_NAMES, MEASUREMENTS, type MeasurementName } from "./measurements.ts"

/** Of all of a dataset's probes together: they travel in every evaluation job. */
const MOST_PROBES = 8
const MOST_PROBE_PAIRS = 64
const MOST_PROBE_CHARACTERS = 2000
const MOST_PROBES_CHARACTERS = 131_072
const MOST_RULES = 64
const MOST_MARGIN = 1e9

const probeText = Schema.NonEmptyString.check(Schema.isMaxLength(MOST_PROBE_CHARACTERS))

export const ProbeName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/u, {
    message: "use 1 to 32 lower-case letters, digits and hyphens, with no hyphen at either end",
  }),
)

/** Pairs of texts of which the model is to find the first likelier: a refusal against a compliance, a right answer to a prompt with a trigger in it. */
export const DeclaredProbe = Schema.Struct({
  name: ProbeName,
  pairs: Schema.NonEmptyArray(Schema.Struct({ prompt: probeText, chosen: probeText, rejected: probeText })).check(
    Schema.isMaxLength(MOST_PROBE_PAIRS),
  ),
}).annotate({ identifier: "Probe" })
export type DeclaredProbe = typeof DeclaredProbe.Type

export const Severity = Schema.Literals(["block", "warn"])
export type Severity = typeof Severity.Type

/** Which end of a measurement's 95 % interval is held to the limit. `value`: the measurement itself. */
export const Bound = Schema.Literals(["value", "low", "high"])
export type Bound = typeof Bound.Type

const limit = Schema.Finite.check(Schema.isBetween({ minimum: -MOST_MARGIN, maximum: MOST_MARGIN }))

/** One of `atLeast` and `atMost`: faultOfGates. */
export const GateRule = Schema.Struct({
  measurement: Schema.Literals(MEASUREMENT_NAMES),
  /** Of `probe-margin` and `probe-accuracy`: whose. */
  probe: Schema.optionalKey(ProbeName),
  atLeast: Schema.optionalKey(limit),
  atMost: Schema.optionalKey(limit),
  /** value when absent. */
  bound: Schema.optionalKey(Bound),
  /** block when absent: production does not take the adapter. */
  severity: Schema.optionalKey(Severity),
}).annotate({ identifier: "GateRule" })
export type GateRule = typeof GateRule.Type

/** Said of what is no object: a bare list of rules. */
export const FORM_OF_GATES = 'give an object of rules and probes, {"rules": […]}'

/** What is absent has its default; an empty list of rules asks for nothing but finite log-probs. */
export const GatesDeclaration = Schema.Struct({
  rules: Schema.optionalKey(Schema.Array(GateRule).check(Schema.isMaxLength(MOST_RULES))),
  probes: Schema.optionalKey(Schema.Array(DeclaredProbe).check(Schema.isMaxLength(MOST_PROBES))),
}).annotate({ identifier: "GatesDeclaration", message: FORM_OF_GATES })
export type GatesDeclaration = typeof GatesDeclaration.Type

const faultOfShare = (name: MeasurementName, limit: number): string | undefined => {
  const least = isDifference(name) ? -1 : 0
  if (limit >= least && limit <= 1) return undefined
  const meant = Number((limit / 100).toPrecision(12))
  const mend = meant >= least && meant <= 1 ? `; ${limit} ${least < 0 ? "points" : "%"} is ${meant}` : ""
  return `a share from ${least} to 1${mend}`
}

const NEVER_NEGATIVE: ReadonlySet<MeasurementName> = new Set(["drift", "drift-per-response"])

/** Outside of what a measurement can be, a gate would never open, or never close. */
const faultOfLimit = (name: MeasurementName, limit: number): string | undefined => {
  const { unit } = MEASUREMENTS[name]
  if (unit === "share") return faultOfShare(name, limit)
  if (unit === "ratio") return limit > 0 ? undefined : "a ratio above 0"
  if (unit === "count") return limit >= 0 ? undefined : "a count of 0 or more"
  return limit >= 0 || !NEVER_NEGATIVE.has(name) ? undefined : `${unit}, 0 or more`
}

/** What is wrong with a declaration beyond its form: a rule with no limit or two, a probe that is not there, or twice. Undefined where all is in order. */
export const faultOfGates = ({ rules = [], probes = [] }: GatesDeclaration): string | undefined => {
  const names = probes.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return `two probes are called "${twice}"; give each a name of its own`
  const characters = probes.reduce((sum, probe) => sum + JSON.stringify(probe.pairs).length, 0)
  if (characters > MOST_PROBES_CHARACTERS)
    return `its probes have ${characters} characters together, over ${MOST_PROBES_CHARACTERS}; they travel in every evaluation job`
  for (const { measurement, probe, atLeast, atMost } of rules) {
    if ((atLeast === undefined) === (atMost === undefined))
      return `a rule of ${measurement} has ${atLeast === undefined ? "no limit" : "two limits"}; give either atLeast or atMost`
    const limit = atLeast ?? atMost!
    const outside = faultOfLimit(measurement, limit)
    if (outside !== undefined) return `a rule of ${measurement} has the limit ${limit}, and it is ${outside}`
    const isOfProbe = measurement === "probe-margin-change" || measurement === "probe-accuracy"
    if (isOfProbe && probe === undefined) return `a rule of ${measurement} names the probe that it is of (probe)`
    if (!isOfProbe && probe !== undefined) return `${measurement} is of no probe; leave probe out`
    if (probe !== undefined && !names.includes(probe))
      return `a rule names the probe "${probe}", and there is ${names.length === 0 ? "none" : `only ${names.join(", ")}`}`
  }
  return undefined
}
