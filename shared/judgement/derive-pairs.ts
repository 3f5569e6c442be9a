// From what a labeller said to ordered pairs of candidates. Pure; texts are neither read nor tokenised here.
import type { Candidate, Comparison, Judgement, Text } from "./Comparison.ts"

/** A ranking of twelve candidates has 66 strictly ordered pairs; beyond this many, only the widest gaps are kept. */
export const MAX_PAIRS_PER_COMPARISON = 64

const STRONGEST_PREFERENCE = 3

export interface DerivedPair {
  readonly prompt: Text
  readonly chosen: Text
  readonly rejected: Text
  /** 1, or |strength| / 3. */
  readonly weight: number
}

export type Derivation =
  | { readonly kind: "pairs"; readonly pairs: readonly DerivedPair[]; readonly omitted: number }
  | { readonly kind: "none"; readonly reason: string }

interface Placed {
  readonly candidate: Candidate
  /** Higher is better. */
  readonly score: number
}

const none = (reason: string): Derivation => ({ kind: "none", reason })

const pairOf = (comparison: Comparison, chosen: Candidate, rejected: Candidate, weight: number): DerivedPair => ({
  prompt: comparison.prompt,
  chosen: chosen.response,
  rejected: rejected.response,
  weight,
})

/** Every pair whose two candidates were placed apart, the widest gap first, then in the order the candidates came in. */
const orderedPairs = (comparison: Comparison, placed: readonly Placed[]): Derivation => {
  const found: { gap: number; pair: DerivedPair }[] = []
  for (const [index, first] of placed.entries())
    for (const second of placed.slice(index + 1)) {
      const gap = first.score - second.score
      if (gap === 0) continue
      const [better, worse] = gap > 0 ? [first, second] : [second, first]
      found.push({ gap: Math.abs(gap), pair: pairOf(comparison, better.candidate, worse.candidate, 1) })
    }
  if (found.length === 0) return none("tie")
  const kept = found.toSorted((a, b) => b.gap - a.gap).slice(0, MAX_PAIRS_PER_COMPARISON)
  return { kind: "pairs", pairs: kept.map(({ pair }) => pair), omitted: found.length - kept.length }
}

const derivePlaced = (comparison: Comparison, scores: Readonly<Record<string, number>>, sign: 1 | -1): Derivation => {
  const known = new Map(comparison.candidates.map((candidate) => [candidate.id, candidate]))
  const stranger = Object.keys(scores).find((id) => !known.has(id))
  if (stranger !== undefined) return none(`invalid judgement: it places "${stranger}", which is no candidate`)
  const placed = comparison.candidates.flatMap((candidate): Placed[] => {
    const score = Object.hasOwn(scores, candidate.id) ? scores[candidate.id] : undefined
    return score === undefined ? [] : [{ candidate, score: sign * score }]
  })
  return placed.length < 2
    ? none("invalid judgement: fewer than two candidates are placed")
    : orderedPairs(comparison, placed)
}

const deriveChoice = (comparison: Comparison, winnerId: string): Derivation => {
  if (!comparison.candidates.some(({ id }) => id === winnerId))
    return none(`invalid judgement: the winner "${winnerId}" is no candidate`)
  return orderedPairs(
    comparison,
    comparison.candidates.map((candidate) => ({ candidate, score: candidate.id === winnerId ? 1 : 0 })),
  )
}

const deriveStrength = (comparison: Comparison, value: number): Derivation => {
  const [first, second, ...others] = comparison.candidates
  if (second === undefined || others.length > 0)
    return none("invalid judgement: a strength needs exactly two candidates")
  if (Math.abs(value) > STRONGEST_PREFERENCE) return none("invalid judgement: a strength goes from -3 to 3")
  if (value === 0) return none("tie")
  const [better, worse] = value < 0 ? [first, second] : [second, first]
  const weight = Math.abs(value) / STRONGEST_PREFERENCE
  return { kind: "pairs", pairs: [pairOf(comparison, better, worse, weight)], omitted: 0 }
}

const deriveFrom = (comparison: Comparison, judgement: Judgement): Derivation => {
  switch (judgement.kind) {
    case "tie":
      return none("tie")
    case "choice":
      return deriveChoice(comparison, judgement.winner)
    case "ranking":
      return derivePlaced(comparison, judgement.ranks, -1)
    case "rating":
      return derivePlaced(comparison, judgement.scores, 1)
    case "strength":
      return deriveStrength(comparison, judgement.value)
  }
}

/**
 * The pairs a comparison states: one for a choice between two or a strength, every strictly ordered pair for a ranking or a
 * rating (a choice among many is its winner against each other), none for a tie. A judgement that names no candidate
 * of its comparison gives none, with the reason.
 */
export const derivePairs = (comparison: Comparison): Derivation => {
  const ids = new Set(comparison.candidates.map(({ id }) => id))
  if (ids.size !== comparison.candidates.length) return none("invalid judgement: two candidates share an id")
  if (ids.size < 2) return none("invalid judgement: a comparison needs at least two candidates")
  return deriveFrom(comparison, comparison.judgement)
}
