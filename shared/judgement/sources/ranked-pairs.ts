// What a record says about its candidates, to the pairs that derive-pairs.ts finds in it.
import type { Verdict } from "../Comparison.ts"
import { deriveAllPairs, type Judged } from "../derive-pairs.ts"
import { twiceNamed } from "./form-words.ts"
import { answerTurn } from "./messages.ts"
import {
  dropped,
  InvalidPreferenceRow,
  type StatedComparison,
  type StatedPair,
  type Statement,
  type Text,
} from "./record.ts"

export interface PlacedCandidate {
  /** Names the candidate inside its record. */
  readonly name: string
  readonly response: Text
  /** Higher is better. */
  readonly score: number
}

const DETAILS = {
  tie: "all candidates are judged alike",
  "bad-quality": "all candidates were judged bad",
  unlabelled: "fewer than two candidates are judged",
  identical: "the candidates that are judged say the same",
} as const

/** A verdict on one response: a labelled row, and the judgement that it comes from. */
function statedVerdict({ id, judged, ...facts }: StatedComparison, { value }: Verdict): Statement {
  const { prompt, candidates } = judged
  const [candidate] = candidates
  if (candidate === undefined || candidates.length > 1)
    throw new InvalidPreferenceRow("judgement", "is a verdict, which is on one candidate; give each its own record")
  const response = { id, prompt, completion: candidate.response, label: value === "desirable" }
  return { responses: [response], comparisons: [{ id, judged, ...facts }] }
}

/** A conversation's answers that came as text are its next turn, and a text that conversations answer is their first. */
function asOneKind({ prompt, candidates, judgement }: Judged): Judged {
  if (typeof prompt !== "string") {
    const asTurn = (response: Text) => (typeof response === "string" ? answerTurn(response) : response)
    return { prompt, candidates: candidates.map((each) => ({ ...each, response: asTurn(each.response) })), judgement }
  }
  const isChat = candidates.length > 0 && candidates.every(({ response }) => typeof response !== "string")
  return { prompt: isChat ? [{ role: "user", content: prompt }] : prompt, candidates, judgement }
}

/**
 * All pairs that a judgement states, or its verdict; a tie is dropped as one. Where there are several, a pair is named `<record>/<better>><worse>`, if
 * the record has a name. Throws InvalidPreferenceRow where the judgement does not fit its candidates.
 */
export function statedPairs(
  id: string | undefined,
  { prompt, candidates, judgement }: Judged,
  facts: Pick<StatedComparison, "annotator" | "task" | "labelledAt"> = {},
): Statement {
  const judged = asOneKind({ prompt, candidates, judgement })
  if (judgement.kind === "verdict") return statedVerdict({ id, judged, ...facts }, judgement)
  const comparisons = [{ id, judged, ...facts }]
  const derived = deriveAllPairs(judged)
  if (derived.kind === "none") {
    if (derived.cause === "invalid" || derived.cause === "verdict") throw new InvalidPreferenceRow("", derived.reason)
    const none = dropped(derived.cause, DETAILS[derived.cause])
    return derived.cause === "unlabelled" ? none : { ...none, comparisons }
  }
  const isOne = derived.pairs.length === 1
  const pairs = derived.pairs.map(({ prompt, chosen, rejected, chosenId, rejectedId, strength }): StatedPair => {
    const name = id === undefined || isOne ? id : `${id}/${chosenId}>${rejectedId}`
    return { id: name, prompt, chosen, rejected, ...(strength === undefined ? {} : { strength }) }
  })
  return { pairs, comparisons }
}

/** The pairs of candidates with a score each. */
export function rankedPairs(id: string | undefined, prompt: Text, placed: readonly PlacedCandidate[]): Statement {
  if (placed.length < 2) return dropped("unlabelled", DETAILS.unlabelled)
  const twice = twiceNamed(placed.map(({ name }) => name))
  if (twice !== undefined)
    throw new InvalidPreferenceRow(
      "",
      `two of the candidates are called ${JSON.stringify(twice)}; give each its own id`,
    )
  const candidates = placed.map(({ name, response }) => ({ id: name, response }))
  const scores = Object.fromEntries(placed.map(({ name, score }) => [name, score]))
  return statedPairs(id, { prompt, candidates, judgement: { kind: "rating", scores } })
}
