// What gates can ask about: every measurement with its unit, its meaning and where it comes from. A measurement is a number, or the reason why
// there is none. `better` says in which direction a model is the better one; it only words explanations.

import { Schema } from "effect"

export interface MeasurementDefinition {
  /** Of its number. */
  readonly unit: "share" | "nats/token" | "nats/response" | "count" | "ratio"
  readonly better: "higher" | "lower" | "near-1"
  readonly meaning: string
  /** Paper or code that it follows. */
  readonly source: string
  /** How its gate is called in a run's report, where that is not its own name. */
  readonly gate?: string
  /** Whether it comes with a 95 % interval. */
  readonly interval?: string
}

const WILSON = "Wilson 1927"
const STUDENT = "Student's t over pairs"

export const MEASUREMENTS = {
  "non-finite": {
    ...{ unit: "count", better: "lower", gate: "finite" },
    meaning: "held-out responses whose log-prob is not finite",
    source: "a diverged model's arithmetic",
  },
  accuracy: {
    ...{ unit: "share", better: "higher", interval: WILSON },
    meaning: "held-out pairs whose chosen response has the higher mean log-prob, ties one half",
    source: "shared/methods/accuracy.ts",
  },
  "gain-over-base": {
    ...{ unit: "share", better: "higher", interval: STUDENT },
    meaning: "accuracy less the base model's on the same pairs",
    source: "shared/methods/accuracy.ts",
  },
  "lead-over-production": {
    ...{ unit: "share", better: "higher", interval: STUDENT, gate: "no-worse-than-production" },
    meaning: "accuracy less that of what production serves, on the same pairs",
    source: "shared/methods/accuracy.ts",
  },
  "short-chosen-gain": {
    ...{ unit: "share", better: "higher", interval: STUDENT },
    meaning:
      "gain-over-base of the pairs whose chosen response is the shorter one: a model that learnt length loses here",
    source: "length-split accuracy, as the length guard of shared/evaluation/reward-accuracy.ts",
  },
  "worst-setting-gain": {
    ...{ unit: "share", better: "higher", interval: STUDENT },
    meaning:
      "the lowest gain-over-base among the work settings (`task` of a comparison) with at least 20 held-out pairs",
    source: "slices of TFX's Evaluator",
  },
  "worst-language-gain": {
    ...{ unit: "share", better: "higher", interval: STUDENT },
    meaning: "the lowest gain-over-base among the prompts' writing systems with at least 20 held-out pairs",
    source: "slices of TFX's Evaluator",
  },
  "worst-setting-lead": {
    ...{ unit: "share", better: "higher", interval: STUDENT },
    meaning: "the lowest lead-over-production among the work settings with at least 20 held-out pairs",
    source: "slices of TFX's Evaluator",
  },
  "worst-language-lead": {
    ...{ unit: "share", better: "higher", interval: STUDENT },
    meaning: "the lowest lead-over-production among the prompts' writing systems with at least 20 held-out pairs",
    source: "slices of TFX's Evaluator",
  },
  "old-pairs-gain": {
    ...{ unit: "share", better: "higher", interval: STUDENT },
    meaning: "forgetting: gain-over-base of the held-out pairs that an earlier run of the dataset had too",
    source:
      "replay of what was learnt before, as continual learning measures it (Lopez-Paz and Ranzato, arXiv 1706.08840)",
  },
  "old-pairs-lead": {
    ...{ unit: "share", better: "higher", interval: STUDENT },
    meaning: "forgetting: lead-over-production of the same old pairs",
    source: "backward transfer of arXiv 1706.08840",
  },
  "old-pairs-change": {
    ...{ unit: "nats/token", better: "higher", interval: STUDENT },
    meaning: "mean log-prob of the same old pairs' chosen responses less that of what production serves",
    source: "shared/gates/pair-measurements.ts",
  },
  drift: {
    ...{ unit: "nats/token", better: "lower" },
    meaning: "k3 estimate of the distance from the base model, mean over held-out response tokens",
    source: "Schulman, Approximating KL Divergence, 2020",
  },
  "drift-per-response": {
    ...{ unit: "nats/response", better: "lower" },
    meaning: "the same, summed over a response's tokens, mean over held-out responses",
    source: "Schulman, Approximating KL Divergence, 2020",
  },
  "chosen-change": {
    ...{ unit: "nats/token", better: "higher", interval: STUDENT },
    meaning: "likelihood displacement: mean log-prob of chosen responses less the base model's",
    source: "Razin et al., arXiv 2410.08847",
  },
  "taken-back": {
    ...{ unit: "share", better: "lower", gate: "still-said" },
    meaning: "pairs that were taken back while the run trained on them",
    source: "workers/orchestrator/retrain/still-said.ts",
  },
  "win-rate": {
    ...{ unit: "share", better: "higher", interval: "of the evaluation" },
    meaning: "win rate against production, of the run's evaluation by a judge",
    source: "shared/evaluation",
  },
  "win-evidence": {
    ...{ unit: "ratio", better: "higher" },
    meaning:
      "evidence of the same evaluation that its answers win more often than they lose: an e-value, 20 by chance once in twenty at most",
    source: "bets after Waudby-Smith and Ramdas, arXiv 2010.09686",
  },
  "loss-evidence": {
    ...{ unit: "ratio", better: "lower" },
    meaning: "the same that they lose more often than they win",
    source: "shared/evaluation/judge/win-evidence.ts",
  },
  "length-ratio": {
    ...{ unit: "ratio", better: "near-1" },
    meaning: "tokens of the model's answers over tokens of the base's to the same prompts, 64 at most each",
    source: "length drift of generations",
  },
  "unended-rise": {
    ...{ unit: "share", better: "lower" },
    meaning: "answers that do not end within 64 tokens, less the base's share of them",
    source: "length drift of generations",
  },
  "repetition-rise": {
    ...{ unit: "share", better: "lower" },
    meaning: "repeated runs of four tokens among all runs of four within an answer, mean, less the base's",
    source: "seq-rep-4 of Welleck et al., arXiv 1908.04319",
  },
  sameness: {
    ...{ unit: "share", better: "lower" },
    meaning: "runs of four tokens that occur in an answer to another prompt too, mean over answers, less the base's",
    source: "distinct-n across answers, after Li et al., arXiv 1510.03055",
  },
  "empty-rise": {
    ...{ unit: "share", better: "lower" },
    meaning: "answers without a letter or digit, less the base's share of them",
    source: "degenerate text",
  },
  "language-change": {
    ...{ unit: "share", better: "lower" },
    meaning: "answers in another writing system than their prompt, less the base's share, of the worst writing system",
    source: "shared/gates/script.ts",
  },
  "refusal-rise": {
    ...{ unit: "share", better: "lower" },
    meaning: "answers to held-out prompts that are refusals by rule, less the base's share of them",
    source: "XSTest's matching of opening words (Röttger et al., arXiv 2308.01263), apologies that comfort left out",
  },
  "harmful-margin-change": {
    ...{ unit: "nats/token", better: "higher", interval: STUDENT },
    meaning: "how much likelier a refusal is than a compliance for harmful requests, less the same of the base",
    source: "safety margin by log-probs; the requests are shared/gates/probe-texts.ts",
  },
  "safe-margin-change": {
    ...{ unit: "nats/token", better: "higher", interval: STUDENT },
    meaning:
      "how much likelier a compliance is than a refusal for harmless requests that sound harmful, less the same of the base",
    source: "safety margin by log-probs, after XSTest",
  },
  "plain-text-change": {
    ...{ unit: "nats/token", better: "higher", interval: STUDENT },
    meaning: "forgetting: mean log-prob of plain sentences in English and Japanese, less the base's",
    source: "shared/gates/probe-texts.ts",
  },
  "probe-margin-change": {
    ...{ unit: "nats/token", better: "higher", interval: STUDENT },
    meaning:
      "of a probe of the dataset's own: how much likelier the chosen text is than the rejected one, less the same of the base",
    source: "the dataset",
  },
  "probe-accuracy": {
    ...{ unit: "share", better: "higher", interval: WILSON },
    meaning: "of a probe of the dataset's own: pairs whose chosen text has the higher mean log-prob",
    source: "the dataset",
  },
} as const satisfies Readonly<Record<string, MeasurementDefinition>>

export type MeasurementName = keyof typeof MEASUREMENTS
export const MEASUREMENT_NAMES = Object.keys(MEASUREMENTS) as readonly MeasurementName[] as readonly [
  MeasurementName,
  ...MeasurementName[],
]

const DIFFERENCES = /-(?:gain|lead|rise|change)$|^(?:gain|lead)-|^sameness$/

/** Whether it is what two models differ by, and so may be below nothing. */
export const isDifference = (name: MeasurementName): boolean => DIFFERENCES.test(name)

const key = Schema.optionalKey

/** A number with what it is of; or why there is none. */
export const Measured = Schema.Union([
  Schema.Struct({
    value: Schema.Finite,
    /** 95 %, where the measurement has one. */
    low: key(Schema.Finite),
    high: key(Schema.Finite),
    /** What it is of, in words: "32 answers". */
    of: key(Schema.String),
    /** The whole in words, where there is more to say than its name and number. */
    said: key(Schema.String),
  }),
  Schema.Struct({ missing: Schema.String }),
]).annotate({ identifier: "Measured" })
export type Measured = typeof Measured.Type

/** Why a gate that a dataset declared is passed all the same: what it compares with does not exist yet. */
export interface NothingToCompare {
  readonly nothingYet: string
}

/** By the measurement's name, of a probe's by `name:probe`. What is not there does not apply, and has no gate. */
export type Measurements = ReadonlyMap<string, Measured | NothingToCompare>

export const measurementKey = (name: MeasurementName, probe?: string): string =>
  probe === undefined ? name : `${name}:${probe}`
