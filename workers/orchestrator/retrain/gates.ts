// What an adapter must pass before production may serve it: the run's rules (shared/gates) over what was measured of it. Pure; every gate
// states its value, its limit and what they mean.
import { absenceOf } from "#shared/gates/absent-measurements.ts"
import { BEHAVIOUR_RULES, type OwnLimits, rulesOfLimits } from "#shared/gates/default-rules.ts"
import type { GateResult } from "#shared/gates/GateResult.ts"
import type { DeclaredProbe, GateRule, GatesDeclaration } from "#shared/gates/gates-declaration.ts"
import {
  type Measured,
  type MeasurementName,
  measurementKey,
  type NothingToCompare,
} from "#shared/gates/measurements.ts"
import { percent, points, verdictsOf } from "#shared/gates/verdict.ts"
import type { Evaluated, GateLimits, PinnedGates } from "#shared/workflows/retrain.ts"
import { judgedOn } from "./measure.ts"

/** The gates that a run is pinned to when it is triggered. Log-probs that are not finite are never let through. */
export const gatesOf = (limits: OwnLimits, { rules, probes = [] }: GatesDeclaration): PinnedGates =>
  rules === undefined
    ? { rules: [...rulesOfLimits(limits), ...BEHAVIOUR_RULES, ...probes.map(ruleOfProbe)], probes }
    : {
        rules: [FINITE, ...rules.filter(({ measurement }) => measurement !== FINITE.measurement)],
        ...{ probes, isDeclared: true },
      }

const FINITE: GateRule = { measurement: "non-finite", atMost: 0 }

/** A dataset that declares a probe and no rules wants no more harm there than the built-in probes allow. */
const ruleOfProbe = ({ name: probe }: DeclaredProbe): GateRule => ({
  ...{ measurement: "probe-margin-change", probe },
  ...{ atLeast: -0.5, bound: "high" },
})

type Gates = PinnedGates | GateLimits

const rulesOf = (gates: Gates): readonly GateRule[] => ("rules" in gates ? gates.rules : rulesOfLimits(gates))

export const probesOf = (gates: Gates): readonly DeclaredProbe[] => ("rules" in gates ? gates.probes : [])

/** Which pairs an accuracy is of, in words; nothing where it is of all and all are new. */
const populationOf = ({ nearDuplicates = 0, withoutNearDuplicates, pairs }: Evaluated): string => {
  if (nearDuplicates === 0) return ""
  if (withoutNearDuplicates === undefined) return ` (all ${pairs} pairs nearly repeat a trained prompt, none is new)`
  return ` (of ${withoutNearDuplicates.pairs} pairs, without ${nearDuplicates} that nearly repeat a trained prompt)`
}

/** What an adapter is compared with besides its base. */
export interface Circumstances {
  /** Production's accuracy, on the same pack. */
  readonly championAccuracy?: number | undefined
  /** Of the pack's pairs, those that were taken back since it was made. */
  readonly takenBack?: { readonly takenBack: number; readonly pairs: number }
}

const OF_JUDGE: ReadonlySet<MeasurementName> = new Set(["win-rate", "win-evidence", "loss-evidence"])

const missingWords = ({ measurement, probe }: GateRule): string => {
  if (OF_JUDGE.has(measurement))
    return "the dataset had no `evaluation` when the run was triggered, so no judge compared answers; set one (docs/api.md, Evaluations)"
  if (probe !== undefined) return `nobody asked about the probe "${probe}" when the adapter was evaluated`
  return "the runner that evaluated the adapter told log-probs alone; update the runner"
}

/** How its answers fared, or why that cannot be told; nothing where nobody asked. */
const answersOf = ({ winRate, winRateUnmeasured }: Evaluated): [MeasurementName, Measured][] => {
  if (winRate === undefined) {
    const missing = winRateUnmeasured
    return missing === undefined ? [] : [...OF_JUDGE].map((name) => [name, { missing }])
  }
  const { against, wins, losses, ties, rate, low, high, evidence } = winRate
  const counts = `${wins} won, ${ties} tied, ${losses} lost`
  const whose = `those of ${against.name}@${against.version}`
  const of = `${wins + losses + ties} prompts`
  const said = `its answers won ${percent(rate)} against ${whose} (${counts})`
  const evident = (name: "win-evidence" | "loss-evidence", how: "win" | "lose"): [MeasurementName, Measured] => {
    if (evidence === undefined) return [name, { missing: "the evaluation is of before evidence was counted" }]
    const value = how === "win" ? evidence.better : evidence.worse
    return [
      name,
      { value, of, said: `evidence that its answers ${how} against ${whose} is ${value.toPrecision(3)} (${counts})` },
    ]
  }
  return [
    ["win-rate", { value: rate, low, high, of, said }],
    evident("win-evidence", "win"),
    evident("loss-evidence", "lose"),
  ]
}

/** What is known of an adapter without its behaviour, in the words of the gates that there always were. */
const ownMeasurements = (
  evaluated: Evaluated,
  { championAccuracy, takenBack = { takenBack: 0, pairs: 1 } }: Circumstances,
): [MeasurementName, Measured][] => {
  const { driftPerToken, nonFinite, pairs, accuracyLow, accuracyHigh, measurements = {} } = evaluated
  const { accuracy, baseAccuracy } = judgedOn(evaluated)
  const held = `held-out accuracy${populationOf(evaluated)} ${percent(accuracy)}`
  const gain = accuracy - baseAccuracy
  const of: [MeasurementName, Measured][] = [
    ["non-finite", { value: nonFinite, said: `${nonFinite} of ${2 * pairs} held-out log-probs are not finite` }],
    ["accuracy", { value: evaluated.accuracy, low: accuracyLow, high: accuracyHigh, of: `${pairs} held-out pairs` }],
    [
      "gain-over-base",
      {
        ...measurements["gain-over-base"],
        ...{ value: gain, said: `${held} against the base model's ${percent(baseAccuracy)}: ${points(gain)}` },
      },
    ],
    [
      "drift",
      {
        value: driftPerToken,
        said: `drift from the base model is ${driftPerToken.toPrecision(3)} nats per held-out token (k3 estimate)`,
      },
    ],
  ]
  if (takenBack.takenBack > 0) {
    const share = takenBack.takenBack / takenBack.pairs
    const said = `${takenBack.takenBack} of the pack's ${takenBack.pairs} pairs were taken back while it was trained on (${percent(share)})`
    of.push(["taken-back", { value: share, said }])
  }
  of.push(...answersOf(evaluated))
  if (championAccuracy !== undefined) {
    const lead = accuracy - championAccuracy
    const said = `${held} against production's ${percent(championAccuracy)} on the same pack: ${points(lead)}`
    of.push(["lead-over-production", { ...measurements["lead-over-production"], ...{ value: lead, said } }])
  }
  return of
}

/** The verdicts, in the order in which people should read them. */
export const judge = (evaluated: Evaluated, gates: Gates, circumstances: Circumstances = {}): GateResult[] => {
  const rules = rulesOf(gates)
  const measurements = new Map<string, Measured | NothingToCompare>(Object.entries(evaluated.measurements ?? {}))
  const isDeclared = "rules" in gates && gates.isDeclared === true
  const hasProduction = circumstances.championAccuracy !== undefined
  for (const [name, measured] of ownMeasurements(evaluated, circumstances)) measurements.set(name, measured)
  for (const rule of rules) {
    const key = measurementKey(rule.measurement, rule.probe)
    if (measurements.has(key)) continue
    const absence = absenceOf(rule.measurement, hasProduction)
    // A default rule is silent where it does not apply; one that a dataset declared is always answered.
    if (absence === undefined || isDeclared) measurements.set(key, absence ?? { missing: missingWords(rule) })
  }
  return verdictsOf(rules, measurements)
}
