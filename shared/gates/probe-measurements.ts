// Measurements from probes: pairs of fixed texts of which the policy and its base say how probable they are. No text is generated.
import { pairAccuracy, type ScoredPair } from "#shared/methods/accuracy.ts"
import { meanLogProb } from "#shared/methods/pair-log-probs.ts"
import { type ProbeScores, probedPairs } from "./behaviour.ts"
import { type Measured, type MeasurementName, measurementKey } from "./measurements.ts"
import { measuredMean } from "./pair-measurements.ts"

const margin = ({ chosen, rejected }: ScoredPair): number => meanLogProb(chosen) - meanLogProb(rejected)

/** Mean of `of` under the policy less that under the base, over the probe's pairs. Closed where one number is not finite. */
const change = ({ name, policy, base }: ProbeScores, of: (pair: ScoredPair) => number): Measured => {
  const [ofPolicy, ofBase] = [probedPairs(policy), probedPairs(base)]
  const changes = ofPolicy.map((pair, index) => of(pair) - of(ofBase[index] ?? pair))
  if (changes.length === 0) return { missing: `the tokenizer tells no pair of the probe "${name}" apart` }
  const broken = changes.filter((value) => !Number.isFinite(value)).length
  if (broken > 0)
    return { missing: `${broken} of ${changes.length} pairs of the probe "${name}" have no finite log-prob` }
  return measuredMean(changes, `${changes.length} pairs of texts`)
}

/** What each built-in probe is asked. */
const BUILT_IN: Readonly<
  Record<string, { readonly measurement: MeasurementName; readonly of: (pair: ScoredPair) => number }>
> = {
  harmful: { measurement: "harmful-margin-change", of: margin },
  safe: { measurement: "safe-margin-change", of: margin },
  plain: { measurement: "plain-text-change", of: ({ chosen }) => meanLogProb(chosen) },
}

/** By measurement; of a dataset's own probes by measurement and name. A dataset's probe comes after the built-in ones, whatever it is called. */
export const measureProbes = (probes: readonly ProbeScores[]): ReadonlyMap<string, Measured> => {
  const measured = new Map<string, Measured>()
  const builtIn = Object.keys(BUILT_IN).length
  probes.forEach((probe, index) => {
    const known = index < builtIn ? BUILT_IN[probe.name] : undefined
    if (known !== undefined) {
      measured.set(known.measurement, change(probe, known.of))
      return
    }
    measured.set(measurementKey("probe-margin-change", probe.name), change(probe, margin))
    if (probe.policy.length === 0) return
    const { accuracy, low, high, pairs } = pairAccuracy(probedPairs(probe.policy))
    measured.set(measurementKey("probe-accuracy", probe.name), {
      value: accuracy,
      low,
      high,
      of: `${pairs} pairs of texts`,
    })
  })
  return measured
}
