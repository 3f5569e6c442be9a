// Held-out evaluation by the method-independent rule of shared/preference/accuracy.ts. It never touches the gap statistics.

import { responseLogProb } from "#gpu-runner/data/reference-file.ts"
import type { TokenRow } from "#gpu-runner/data/token-rows.ts"
import { klEstimate, type PairAccuracy, pairAccuracy, type ScoredPair } from "#shared/preference/accuracy.ts"
import type { RowScores } from "./score-rows.ts"

export interface Evaluation extends PairAccuracy {
  /** Estimate of KL(reference ‖ policy), nats per token; absent where no reference is known. */
  readonly klPerToken?: number
}

/** Sums of a row's scores. */
export function scoredPair({ chosen, rejected }: RowScores): ScoredPair {
  return { chosen: responseLogProb(chosen), rejected: responseLogProb(rejected) }
}

/** Accuracy of a policy on pairs, and its distance from `reference` (the same pairs in the same order). */
export function evaluatePairs(policy: readonly ScoredPair[], reference?: readonly ScoredPair[]): Evaluation {
  const accuracy = pairAccuracy(policy)
  if (!reference) return accuracy
  const responses = (pairs: readonly ScoredPair[]) => pairs.flatMap(({ chosen, rejected }) => [chosen, rejected])
  return { ...accuracy, klPerToken: klEstimate(responses(policy), responses(reference)).perToken }
}

/** The rows' given references as scored pairs, if every row has one. */
export function givenReference(rows: readonly TokenRow[]): readonly ScoredPair[] | undefined {
  const pairs = rows.flatMap(({ reference }) => (reference ? [reference] : []))
  return pairs.length === rows.length && rows.length > 0 ? pairs : undefined
}
