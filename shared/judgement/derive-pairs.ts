// From what a labeller said to ordered pairs of candidates: the one derivation, of the service and of files. Pure; texts are neither
// read nor tokenised here.
import { type Judgement, STRONGEST_PREFERENCE, type Text } from "./Comparison.ts"

/** A ranking of twelve candidates has 66 strictly ordered pairs; beyond this many, the service keeps only the widest gaps. */
export const MAX_PAIRS_PER_COMPARISON = 64

/** The part of a comparison that pairs are derived from. */
export interface Judged {
  readonly prompt: Text
  readonly candidates: readonly JudgedCandidate[]
  readonly judgement: Judgement
}

export interface JudgedCandidate {
  readonly id: string
  readonly response: Text
}

export interface DerivedPair {
  readonly prompt: Text
  readonly chosen: Text
  readonly rejected: Text
  readonly chosenId: string
  readonly rejectedId: string
  /** |strength|, 1 to STRONGEST_PREFERENCE, where the labeller gave one. */
  readonly strength?: number
  /** weightOfStrength, or 1 */
  readonly weight: number
}

export type Derivation =
  | { readonly kind: "pairs"; readonly pairs: readonly DerivedPair[]; readonly omitted: number }
  | NoPairs

/** Why a comparison states no pair. `reason` says what is invalid, else it is the cause. */
interface NoPairs {
  readonly kind: "none"
  /** `bad-quality`: a tie between bad ones. `unlabelled`: fewer than two candidates are judged. */
  readonly cause: "tie" | "bad-quality" | "unlabelled" | "invalid"
  readonly reason: string
}

interface Placed {
  readonly candidate: JudgedCandidate
  /** Higher is better. */
  readonly score: number
}

/** Pairs before their order and number are settled. */
interface Ordered {
  readonly gap: number
  readonly pair: DerivedPair
}

/** A pair of a strength weighs as much of 1 as its strength is of the strongest. */
export const weightOfStrength = (strength: number): number => strength / STRONGEST_PREFERENCE

const none = (cause: NoPairs["cause"], reason: string = cause): NoPairs => ({ kind: "none", cause, reason })

const invalid = (detail: string): NoPairs => none("invalid", `invalid judgement: ${detail}`)

const pairOf = ({ prompt }: Judged, chosen: JudgedCandidate, rejected: JudgedCandidate): DerivedPair => ({
  prompt,
  chosen: chosen.response,
  rejected: rejected.response,
  chosenId: chosen.id,
  rejectedId: rejected.id,
  weight: 1,
})

/** Every pair whose two candidates were placed apart, in the order of `placed`. */
const orderedPairs = (judged: Judged, placed: readonly Placed[]): readonly Ordered[] =>
  placed.flatMap((first, index) =>
    placed.slice(index + 1).flatMap((second): Ordered[] => {
      const gap = first.score - second.score
      if (gap === 0) return []
      const [better, worse] = gap > 0 ? [first, second] : [second, first]
      return [{ gap: Math.abs(gap), pair: pairOf(judged, better.candidate, worse.candidate) }]
    }),
  )

/** Where each judged candidate stands, or why the judgement says nothing. */
type Standing = { readonly kind: "placed"; readonly placed: readonly Placed[] } | NoPairs

const standingAt = (placed: readonly Placed[]): Standing => ({ kind: "placed", placed })

const placedBy = ({ candidates }: Judged, scores: Readonly<Record<string, number>>, sign: 1 | -1): Standing => {
  const stranger = Object.keys(scores).find((id) => !candidates.some((candidate) => candidate.id === id))
  if (stranger !== undefined) return invalid(`it places "${stranger}", which is no candidate`)
  const placed = candidates.flatMap((candidate): Placed[] => {
    const score = Object.hasOwn(scores, candidate.id) ? scores[candidate.id] : undefined
    return score === undefined ? [] : [{ candidate, score: sign * score }]
  })
  return placed.length < 2
    ? none("unlabelled", "invalid judgement: fewer than two candidates are placed")
    : standingAt(placed)
}

const standing = (judged: Judged): Standing => {
  const { candidates, judgement } = judged
  const ids = new Set(candidates.map(({ id }) => id))
  if (ids.size !== candidates.length) return invalid("two candidates share an id")
  if (ids.size < 2) return invalid("a comparison needs at least two candidates")
  switch (judgement.kind) {
    case "tie":
      return none(judgement.quality === "bad" ? "bad-quality" : "tie")
    case "choice":
      if (!ids.has(judgement.winner)) return invalid(`the winner "${judgement.winner}" is no candidate`)
      return standingAt(
        candidates.map((candidate) => ({ candidate, score: candidate.id === judgement.winner ? 1 : 0 })),
      )
    case "ranking":
      return placedBy(judged, judgement.ranks, -1)
    case "rating":
      return placedBy(judged, judgement.scores, 1)
    case "strength": {
      const { value } = judgement
      if (ids.size > 2) return invalid("a strength needs exactly two candidates")
      if (Math.abs(value) > STRONGEST_PREFERENCE) return invalid("a strength goes from -3 to 3")
      return standingAt(candidates.map((candidate, index) => ({ candidate, score: index === 0 ? -value : value })))
    }
  }
}

const derivation = ({ judgement }: Judged, found: readonly Ordered[], limit: number): Derivation => {
  if (found.length === 0) return none("tie")
  const strength = judgement.kind === "strength" ? Math.abs(judgement.value) : undefined
  const weighed = strength === undefined ? {} : { strength, weight: weightOfStrength(strength) }
  const pairs = found.slice(0, limit).map(({ pair }) => ({ ...pair, ...weighed }))
  return { kind: "pairs", pairs, omitted: found.length - pairs.length }
}

/**
 * The pairs a comparison states, as the service keeps them: one for a choice between two or a strength, every strictly ordered pair
 * for a ranking or a rating (a choice among many is its winner against each other), none for a tie. The widest gaps come first,
 * then the order of the candidates; of more than the limit the rest is left out and counted. A judgement that names no candidate of
 * its comparison gives none, with the reason.
 */
export const derivePairs = (judged: Judged): Derivation => {
  const stood = standing(judged)
  if (stood.kind === "none") return stood
  const widestFirst = orderedPairs(judged, stood.placed).toSorted((a, b) => b.gap - a.gap)
  return derivation(judged, widestFirst, MAX_PAIRS_PER_COMPARISON)
}

/** As derivePairs, for the rows of a file: all pairs, the best candidate's first. A file has no transaction that they must fit into. */
export const deriveAllPairs = (judged: Judged): Derivation => {
  const stood = standing(judged)
  if (stood.kind === "none") return stood
  const bestFirst = stood.placed.toSorted((a, b) => b.score - a.score)
  return derivation(judged, orderedPairs(judged, bestFirst), Number.POSITIVE_INFINITY)
}
