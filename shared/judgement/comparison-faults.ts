// What a comparison must satisfy beyond its shape, so that pairs can be derived from it. Pure.
import { BOUNDS } from "#shared/domain/bounds.ts"
import { type Comparison, type Judgement, STRONGEST_PREFERENCE, type Text } from "./Comparison.ts"
import { MAX_PAIRS_PER_COMPARISON } from "./derive-pairs.ts"
import { essence, isBlank } from "./essence.ts"
import { otherTurn } from "./one-answer.ts"
import { timeOf } from "./time-of.ts"

export interface ComparisonFault {
  readonly reason:
    | "empty-prompt"
    | "empty-response"
    | "several-turns"
    | "identical-responses"
    | "too-few-candidates"
    | "duplicate-candidate"
    | "unknown-candidate"
    | "unusable-judgement"
    | "unusable-date"
    | "too-much-text"
  /** Says what to change. */
  readonly detail: string
}

const ISO_DATE = /^(\d{4})-(\d{2})-(\d{2})[T ]\d{2}:\d{2}/

/** How far the clock of what sends a judgement may be ahead of ours; also, any time zone that was left out. */
export const AHEAD_MS = 24 * 60 * 60 * 1000

const fault = (reason: ComparisonFault["reason"], detail: string): ComparisonFault => ({ reason, detail })

const faultOfCandidates = ({ candidates, prompt, judgement }: Comparison): ComparisonFault | undefined => {
  const isVerdict = judgement.kind === "verdict"
  if (isVerdict && candidates.length > 1)
    return fault("unusable-judgement", "a verdict is on one candidate; send each with its own, or say which is better")
  if (!isVerdict && candidates.length < 2)
    return fault(
      "too-few-candidates",
      "a comparison needs at least two candidates; send the response it was compared with",
    )
  const ids = new Set<string>()
  for (const { id, response } of candidates) {
    if (ids.has(id))
      return fault("duplicate-candidate", `two candidates have the id ${JSON.stringify(id)}; give each its own`)
    ids.add(id)
    if (isBlank(response))
      return fault(
        "empty-response",
        `the response of candidate ${JSON.stringify(id)} is empty; leave the comparison out`,
      )
    const other = otherTurn(response, prompt)
    if (other !== undefined) return fault("several-turns", `candidate ${JSON.stringify(id)} ${other}`)
  }
  return !isVerdict && new Set(candidates.map(({ response }) => essence(response))).size === 1
    ? fault("identical-responses", "all candidates say the same; send the response it was compared with")
    : undefined
}

const faultOfPlaces = (
  what: string,
  places: Readonly<Record<string, number>>,
  ids: ReadonlySet<string>,
): ComparisonFault | undefined => {
  const stranger = Object.keys(places).find((id) => !ids.has(id))
  if (stranger !== undefined)
    return fault("unknown-candidate", `${what} names ${JSON.stringify(stranger)}, which is no candidate's id`)
  return Object.keys(places).length < 2
    ? fault("unusable-judgement", `${what} must place at least two candidates`)
    : undefined
}

const faultOfJudgement = (judgement: Judgement, ids: ReadonlySet<string>): ComparisonFault | undefined => {
  switch (judgement.kind) {
    case "choice":
      return ids.has(judgement.winner)
        ? undefined
        : fault("unknown-candidate", `the winner ${JSON.stringify(judgement.winner)} is no candidate's id`)
    case "tie":
    case "verdict":
      return undefined
    case "ranking":
      return faultOfPlaces("judgement.ranks", judgement.ranks, ids)
    case "rating":
      return faultOfPlaces("judgement.scores", judgement.scores, ids)
    case "strength":
      if (ids.size !== 2) return fault("unusable-judgement", "a strength needs exactly two candidates; use a ranking")
      return Math.abs(judgement.value) > STRONGEST_PREFERENCE
        ? fault("unusable-judgement", "a strength goes from -3 (first is better) to 3")
        : undefined
  }
}

/** Days of a month, the 1st being the last of none: `Date` takes 31 February as 3 March. */
const daysOf = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

/** A date that cannot be is refused, and so is one that is still to come: nothing said later could ever correct it. `field` holds it. */
export const findDateFault = (text: string, nowMs: number, field = "labelledAt"): ComparisonFault | undefined => {
  const [, year, month, day] = ISO_DATE.exec(text)?.map(Number) ?? []
  const time = timeOf(text)
  if (year === undefined || Number.isNaN(time) || day! > daysOf(year, month!))
    return fault("unusable-date", `${field} must be an ISO 8601 date and time, such as 2026-11-24T09:30:00Z`)
  return time < 0 || time > nowMs + AHEAD_MS
    ? fault("unusable-date", `${field} must lie between 1970 and now; look at the clock of what sent it`)
    : undefined
}

const lengthOf = (text: Text): number =>
  typeof text === "string" ? text.length : text.reduce((sum, { content }) => sum + content.length, 0)

/** How many pairs the service may derive. */
const mostPairs = ({ kind }: Judgement, candidates: number): number => {
  if (kind === "tie") return 0
  if (kind === "verdict") return 1
  const stated = kind === "ranking" || kind === "rating" ? (candidates * (candidates - 1)) / 2 : candidates - 1
  return Math.min(stated, MAX_PAIRS_PER_COMPARISON)
}

/** Many candidates or a long text, not both: the prompt is tokenised once a pair. */
const faultOfWork = ({ prompt, candidates, judgement }: Comparison): ComparisonFault | undefined => {
  const longest = candidates.reduce((most, { response }) => Math.max(most, lengthOf(response)), 0)
  const characters = mostPairs(judgement, candidates.length) * (lengthOf(prompt) + 2 * longest)
  return characters > BOUNDS.pairsText
    ? fault(
        "too-much-text",
        `its pairs have up to ${characters} characters together, at most ${BOUNDS.pairsText} are taken; send fewer candidates at a time, or shorter texts`,
      )
    : undefined
}

/** The first reason why no pair can be derived from a well-formed comparison that arrives now, or undefined. */
export const findComparisonFault = (comparison: Comparison, nowMs = Date.now()): ComparisonFault | undefined => {
  const { prompt, candidates, judgement, labelledAt } = comparison
  if (isBlank(prompt)) return fault("empty-prompt", "the prompt is empty; send what the responses answer")
  const ofDate = labelledAt === undefined ? undefined : findDateFault(labelledAt, nowMs)
  return (
    ofDate ??
    faultOfWork(comparison) ??
    faultOfCandidates(comparison) ??
    faultOfJudgement(judgement, new Set(candidates.map(({ id }) => id)))
  )
}
