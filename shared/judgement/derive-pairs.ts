// From what a labeller said to ordered pairs of candidates: the one derivation, of the service and of files. Pure; texts are neither
// read nor tokenised here.
import { BOUNDS } from "#shared/domain/bounds.ts"
import { type Judgement, STRONGEST_PREFERENCE, type Text } from "./Comparison.ts"
import { essence } from "./essence.ts"

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
  /**
   * `bad-quality`: a tie between bad ones. `unlabelled`: fewer than two candidates are judged. `identical`: those that are judged say the
   * same. `verdict`: one is judged by itself.
   */
  readonly cause: "tie" | "bad-quality" | "unlabelled" | "identical" | "verdict" | "invalid"
  readonly reason: string
}

/** A text and where it was placed: of candidates that say the same, all places. */
interface Placed {
  /** The first that says it. */
  readonly candidate: JudgedCandidate
  /** Among the candidates, from 0. */
  readonly place: number
  /** Higher is better. */
  readonly best: number
  readonly worst: number
}

/** Two texts of which one was placed above the other wherever the two stand, by the smallest gap. */
interface Ordered {
  readonly gap: number
  readonly better: Placed
  readonly worse: Placed
}

interface Found {
  readonly pairs: readonly Ordered[]
  /** Of all pairs, those that are not among `pairs`. */
  readonly omitted: number
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

/** The pair of two that were placed apart. */
const orderedPair = (first: Placed, second: Placed): Ordered | undefined => {
  if (first.worst > second.best) return { gap: first.worst - second.best, better: first, worse: second }
  if (second.worst > first.best) return { gap: second.worst - first.best, better: second, worse: first }
  return undefined
}

/** Every pair whose two candidates were placed apart, in the order of `placed`: n candidates have up to n²/2. */
const orderedPairs = (placed: readonly Placed[]): readonly Ordered[] =>
  placed.flatMap((first, index) => placed.slice(index + 1).flatMap((second) => orderedPair(first, second) ?? []))

/** How many pairs `orderedPairs` gives: for each text those whose best place is below its worst. */
const countOrdered = (placed: readonly Placed[]): number => {
  const bests = placed.map(({ best }) => best).toSorted((a, b) => a - b)
  const worsts = placed.map(({ worst }) => worst).toSorted((a, b) => a - b)
  let [pairs, below] = [0, 0]
  for (const worst of worsts) {
    while (below < bests.length && bests[below]! < worst) below += 1
    pairs += below
  }
  return pairs
}

const byWidth = (a: Ordered, b: Ordered): number => {
  if (a.gap !== b.gap) return a.gap < b.gap ? 1 : -1
  const [first, second] = [a, b].map(({ better, worse }) => [better.place, worse.place].toSorted((x, y) => x - y))
  return first![0]! - second![0]! || first![1]! - second![1]!
}

/**
 * The widest gaps first, then the order of the candidates; no more pairs are made than can be among them. The p-th best over the q-th
 * worst (from 1, equals in their order) comes after the pairs of all who are as good over all who are as bad, p·q with itself.
 */
const widestPairs = (placed: readonly Placed[], limit: number): Found => {
  const best = placed.toSorted((a, b) => b.worst - a.worst)
  const worst = placed.toSorted((a, b) => a.best - b.best)
  const possible = best
    .slice(0, limit)
    .flatMap((better, index) => worst.slice(0, Math.floor(limit / (index + 1))).map((worse) => ({ better, worse })))
    .map(({ better, worse }) => ({ better, worse, gap: better.worst - worse.best }))
    .filter(({ gap }) => gap > 0)
  const pairs = possible.toSorted(byWidth).slice(0, limit)
  return { pairs, omitted: countOrdered(placed) - pairs.length }
}

/** Where each judged candidate stands, or why the judgement says nothing. */
type Standing = { readonly kind: "placed"; readonly placed: readonly Placed[] } | NoPairs

/** Candidates that say the same are one text, which stands where each of them does. */
const standingAt = (judged: readonly { readonly candidate: JudgedCandidate; readonly score: number }[]): Standing => {
  const texts = new Map<string, Placed>()
  for (const [place, { candidate, score }] of judged.entries()) {
    const text = essence(candidate.response)
    const { best, worst, ...first } = texts.get(text) ?? { candidate, place, best: score, worst: score }
    texts.set(text, { ...first, best: Math.max(best, score), worst: Math.min(worst, score) })
  }
  return texts.size === 1 ? none("identical") : { kind: "placed", placed: [...texts.values()] }
}

const placedBy = ({ candidates }: Judged, scores: Readonly<Record<string, number>>, sign: 1 | -1): Standing => {
  const ids = new Set(candidates.map(({ id }) => id))
  const stranger = Object.keys(scores).find((id) => !ids.has(id))
  if (stranger !== undefined) return invalid(`it places "${stranger}", which is no candidate`)
  const placed = candidates.flatMap((candidate) => {
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
  if (judgement.kind === "verdict")
    return candidates.length === 1 ? none("verdict") : invalid("a verdict is on one candidate")
  if (ids.size !== candidates.length) return invalid("two candidates share an id")
  if (ids.size < 2) return invalid("a comparison needs at least two candidates")
  switch (judgement.kind) {
    case "tie":
      return none(judgement.quality === "bad" ? "bad-quality" : "tie")
    case "choice": {
      const chosen = candidates.find(({ id }) => id === judgement.winner)
      if (chosen === undefined) return invalid(`the winner "${judgement.winner}" is no candidate`)
      // Of two that say the same one is named, and the text is meant.
      const text = essence(chosen.response)
      const score = ({ response }: JudgedCandidate) => Number(essence(response) === text)
      return standingAt(candidates.map((candidate) => ({ candidate, score: score(candidate) })))
    }
    case "ranking":
      return placedBy(judged, judgement.ranks, -1)
    case "rating":
      return placedBy(judged, judgement.scores, 1)
    case "strength": {
      const { value } = judgement
      if (ids.size > 2) return invalid("a strength needs exactly two candidates")
      if (Math.abs(value) > STRONGEST_PREFERENCE) return invalid("a strength goes from -3 to 3")
      return standingAt(candidates.map((candidate, place) => ({ candidate, score: place === 0 ? -value : value })))
    }
  }
}

const derivation = (judged: Judged, { pairs, omitted }: Found): Derivation => {
  const { judgement } = judged
  if (pairs.length === 0) return none("tie")
  const strength = judgement.kind === "strength" ? Math.abs(judgement.value) : undefined
  const weighed = strength === undefined ? {} : { strength, weight: weightOfStrength(strength) }
  return {
    kind: "pairs",
    pairs: pairs.map(({ better, worse }) => ({ ...pairOf(judged, better.candidate, worse.candidate), ...weighed })),
    omitted,
  }
}

/**
 * The pairs a comparison states, as the service keeps them: one for a choice between two or a strength, every strictly ordered pair
 * for a ranking or a rating (a choice among many is its winner against each other), none for a tie. Candidates that say the same are one text; two texts are a pair
 * where every place of one is above every place of the other. The widest gaps come first, then the order of the candidates; of more
 * than the limit the rest is left out and counted. A judgement that names no candidate of its comparison gives none, with the reason.
 */
export const derivePairs = (judged: Judged): Derivation => {
  const stood = standing(judged)
  if (stood.kind === "none") return stood
  return derivation(judged, widestPairs(stood.placed, MAX_PAIRS_PER_COMPARISON))
}

/**
 * As derivePairs, for the rows of a file: all pairs, the best candidate's first. A file has no transaction that they must fit into, so
 * its candidates are counted instead.
 */
export const deriveAllPairs = (judged: Judged): Derivation => {
  const { length } = judged.candidates
  if (length > BOUNDS.candidates)
    return invalid(`${length} candidates are compared, at most ${BOUNDS.candidates} can be`)
  const stood = standing(judged)
  if (stood.kind === "none") return stood
  const bestFirst = stood.placed.toSorted((a, b) => b.worst - a.worst)
  return derivation(judged, { pairs: orderedPairs(bestFirst), omitted: 0 })
}
