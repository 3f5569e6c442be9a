// The gates of the demo's dataset: the default ones, but that two only warn. Its model has 1.2 M parameters and is trained hard, so that a report of
// five minutes shows an effect on 160 held-out pairs; the price is that many of its answers repeat themselves and do not end, and the report says so.
import { BEHAVIOUR_RULES, DEFAULT_LIMITS, rulesOfLimits } from "#shared/gates/default-rules.ts"
import type { GateRule, GatesDeclaration } from "#shared/gates/gates-declaration.ts"

const WARNS: ReadonlySet<GateRule["measurement"]> = new Set(["unended-rise", "repetition-rise"])

/** A dataset's own rules stand before the deployment's limits; the gain that it asks for, which short trials set lower, is taken along. */
export const demoGates = ({ YOHAKU_GATE_MINIMUM_GAIN: gain }: NodeJS.ProcessEnv = process.env): GatesDeclaration => {
  const limits = gain === undefined ? DEFAULT_LIMITS : { ...DEFAULT_LIMITS, minimumGain: Number(gain) }
  const rules = [...rulesOfLimits(limits), ...BEHAVIOUR_RULES]
  return { rules: rules.map((rule) => (WARNS.has(rule.measurement) ? { ...rule, severity: "warn" } : rule)) }
}
