// What an adapter must pass before production may serve it. Pure; every gate states its value, its limit and what they mean.
import type { GateResult } from "#shared/domain/Run.ts"
import type { Evaluated, GateLimits } from "#shared/workflows/retrain.ts"
import type { Environment } from "../Environment.ts"
import { numberSetting } from "../settings.ts"
import { judgedOn } from "./measure.ts"

/**
 * Two points of accuracy are the least that is worth a deployment, and no more than one or two pairs of a small held-out set,
 * so the same two are forgiven against production. One nat per token of drift means that the held-out
 * responses have become e times likelier or less likely per token: preference runs that still speak like their base stay
 * between 0.05 and 0.5 by this measure, collapsed ones run into whole nats. No published limit is universal, so they
 * can be set for a deployment. Labellers correct themselves while a run is trained, and what was learnt from a judgement that was
 * taken back cannot be unlearnt: one pair in twenty is let through, with their number, because the next run does without them and a
 * busy dataset would else never promote; beyond that it is not what people say any more.
 */
const DEFAULT_GATES = { minimumGain: 0.02, productionTolerance: 0.02, driftPerToken: 1, takenBackShare: 0.05 }

/** The deployment's limits. Throws SettingInvalid. */
export const gateLimits = (env: Environment): GateLimits => ({
  minimumGain: numberSetting(env, "YOHAKU_GATE_MINIMUM_GAIN", DEFAULT_GATES.minimumGain, -1),
  productionTolerance: numberSetting(env, "YOHAKU_GATE_PRODUCTION_TOLERANCE", DEFAULT_GATES.productionTolerance, 0),
  driftPerToken: numberSetting(env, "YOHAKU_GATE_DRIFT_PER_TOKEN", DEFAULT_GATES.driftPerToken, 0),
  takenBackShare: numberSetting(env, "YOHAKU_GATE_TAKEN_BACK", DEFAULT_GATES.takenBackShare, 0),
})

/** Differences of shares carry rounding errors: 0.52 − 0.5 is not quite 0.02. */
const ROUNDING = 1e-9

const points = (share: number): string => `${(100 * share).toFixed(1)} points`
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const atLeast = (gate: string, value: number, limit: number, explanation: string): GateResult => ({
  ...{ gate, value, limit, explanation },
  passed: value >= limit - ROUNDING,
})

const atMost = (gate: string, value: number, limit: number, explanation: string): GateResult => ({
  ...{ gate, value, limit, explanation },
  passed: value <= limit + ROUNDING,
})

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

/** Judgements that count no more; nothing where all still do. */
const stillSaid = (
  { takenBack, pairs }: { readonly takenBack: number; readonly pairs: number },
  limit: number,
): GateResult[] =>
  takenBack === 0
    ? []
    : [
        atMost(
          "still-said",
          takenBack / pairs,
          limit,
          `${takenBack} of the pack's ${pairs} pairs were taken back while it was trained on (${percent(takenBack / pairs)}), at most ${percent(limit)} are let through; the next run does without them`,
        ),
      ]

/** The verdicts, in the order in which people should read them. */
export const judge = (
  evaluated: Evaluated,
  limits: GateLimits,
  { championAccuracy, takenBack = { takenBack: 0, pairs: 1 } }: Circumstances = {},
): GateResult[] => {
  const { driftPerToken, nonFinite, pairs } = evaluated
  const { accuracy, baseAccuracy } = judgedOn(evaluated)
  const of = populationOf(evaluated)
  const gain = accuracy - baseAccuracy
  const gates = [
    atMost(
      "finite",
      nonFinite,
      0,
      `${nonFinite} of ${2 * pairs} held-out log-probs are not finite; one is one too many`,
    ),
    atLeast(
      "gain-over-base",
      gain,
      limits.minimumGain,
      `held-out accuracy${of} ${percent(accuracy)} against the base model's ${percent(baseAccuracy)}: ${points(gain)}, at least ${points(limits.minimumGain)} are asked for`,
    ),
    atMost(
      "drift",
      driftPerToken,
      limits.driftPerToken,
      `drift from the base model is ${driftPerToken.toPrecision(3)} nats per held-out token (k3 estimate), at most ${limits.driftPerToken} are allowed`,
    ),
    ...stillSaid(takenBack, limits.takenBackShare ?? DEFAULT_GATES.takenBackShare),
  ]
  if (championAccuracy === undefined) return gates
  const lead = accuracy - championAccuracy
  return [
    ...gates,
    atLeast(
      "no-worse-than-production",
      lead,
      -limits.productionTolerance,
      `held-out accuracy${of} ${percent(accuracy)} against production's ${percent(championAccuracy)} on the same pack: ${points(lead)}, it may fall by ${points(limits.productionTolerance)}`,
    ),
  ]
}
