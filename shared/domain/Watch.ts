// How production stands against what it took the place of, and against its base, by all evaluations so far: the evidence of its run's own evaluation
// and of every later one whose suite is another, multiplied in their order. It may be looked at after each, as often as one likes.
import { Schema } from "effect"
import { bothEvidence, fromTheOther, NO_EVIDENCE, type WinEvidence } from "#shared/evaluation/judge/win-evidence.ts"
import { Count } from "./bounds.ts"
import { ModelReference } from "./ModelReference.ts"
import { Evidence, type WinRate } from "./WinRate.ts"

/** Evidence from which on something is said: by chance once in twenty at most. */
export const EVIDENCE_STANDS = 20

export const Watch = Schema.Struct({
  /** What production served before, or its base. */
  against: ModelReference,
  /** Evaluations that count, each of a suite of its own, and their prompts that were judged. */
  evaluations: Count,
  prompts: Count,
  /** e-values after the last of them. */
  evidence: Evidence,
  /** `worse` and `better`: the evidence has once been 20; of both the warning. */
  says: Schema.Literals(["open", "better", "worse"]),
  /** The run or evaluation with which it was first said; absent while it is open. */
  since: Schema.optionalKey(Schema.String),
}).annotate({ identifier: "Watch" })
export type Watch = typeof Watch.Type

/** One evaluation of `model`, in the order of time. */
export interface PastEvaluation {
  /** The run or evaluation. */
  readonly id: string
  readonly model: ModelReference
  /** The suite's digest: suites that share prompts without being the same to the byte are told apart by nobody (docs/gates.md). */
  readonly prompts: string
  readonly winRates: readonly WinRate[]
}

const isSame = (one: ModelReference, other: ModelReference): boolean =>
  one.name === other.name && one.version === other.version

/** What an evaluation says of `production` against `against`, whichever was the candidate. */
const foundIn = (
  { model, winRates }: PastEvaluation,
  production: ModelReference,
  against: ModelReference,
): { readonly evidence: WinEvidence; readonly prompts: number } | undefined => {
  const isTurned = isSame(model, against)
  if (!isTurned && !isSame(model, production)) return undefined
  const found = winRates.find((rate) => isSame(rate.against, isTurned ? production : against))
  if (found?.evidence === undefined) return undefined
  const prompts = found.wins + found.losses + found.ties
  return { evidence: isTurned ? fromTheOther(found.evidence) : found.evidence, prompts }
}

/** Undefined where no evaluation has held the two against each other. A suite counts once: the same prompts again are no new evidence. */
export const watchOf = (
  production: ModelReference,
  against: ModelReference,
  past: readonly PastEvaluation[],
): Watch | undefined => {
  const seen = new Set<string>()
  let [evidence, prompts, better, worse] = [
    NO_EVIDENCE,
    0,
    undefined as string | undefined,
    undefined as string | undefined,
  ]
  for (const evaluation of past) {
    const found = foundIn(evaluation, production, against)
    if (found === undefined || seen.has(evaluation.prompts)) continue
    seen.add(evaluation.prompts)
    prompts += found.prompts
    evidence = bothEvidence(evidence, found.evidence)
    if (evidence.better >= EVIDENCE_STANDS) better ??= evaluation.id
    if (evidence.worse >= EVIDENCE_STANDS) worse ??= evaluation.id
  }
  if (seen.size === 0) return undefined
  const since = worse ?? better
  return {
    ...{ against, evaluations: seen.size, prompts, evidence },
    says: worse !== undefined ? "worse" : better !== undefined ? "better" : "open",
    ...(since === undefined ? {} : { since }),
  }
}
