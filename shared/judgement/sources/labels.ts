// What a label or choice of a form stands for: a response, a tie, or nothing that is known. The `labels` of the mapping come first.
import type { Judgement, Verdict } from "../Comparison.ts"
import { type Form, responseFields } from "./form-fields.ts"
import { listed, refusal } from "./form-words.ts"

/** What `labels` may map to beside a response field. */
const MEANINGS: Readonly<Record<string, Tie>> = {
  tie: { kind: "tie" },
  "both-good": { kind: "tie", quality: "good" },
  "both-bad": { kind: "tie", quality: "bad" },
}

const BAD =
  /^(?:(?:both|all)(?: are)?(?: equally)? (?:bad|poor|wrong)|equally (?:bad|poor|wrong)|neither(?: is good)?|bad)$/
const GOOD = /^(?:(?:both|all)(?: are)?(?: equally)? (?:good|fine|right)|equally (?:good|fine|right))$/
const TIE =
  /^(?:(?:its )?a tie|tied?|both(?: are(?: equal| the same))?|equal|(?:about )?the same|no (?:preference|difference)|neither is better)$/

/**
 * Says how something is without saying what: beside a Pairwise control, which judges already, it may be about one response, the prompt, or
 * another question about both (length, personal data).
 */
const OF_ANYTHING = /^(?:bad|both|neither|equal|(?:about )?the same)$/

export const isOfAnything = (label: string): boolean => OF_ANYTHING.test(wordsOf(label))

interface Said {
  readonly label: string
  readonly judgement: ReturnType<typeof judgementOf>
  /** The fields that the control is about, where the tool says it; none: the record as a whole. */
  readonly about: readonly string[]
  /** `question` names the control. */
  readonly isAsked: boolean
}

/**
 * Whether a label that could judge may as well be about something else: "Bad" about one response of several says nothing of the others,
 * and "Good" about the prompt nothing of the response.
 */
export function isUnclear({ label, judgement, about, isAsked }: Said, form: Form): boolean {
  if (judgement === undefined || Object.hasOwn(form.options.labels ?? {}, label)) return false
  const responses = about.filter((name) => responseFields(form).includes(name))
  if (judgement.kind === "verdict") return !isAsked && about.length > 0 && responses.length === 0
  if (!isOfAnything(label) || responses.length > 1) return false
  return !isAsked || responses.length === 1
}

/** Of a label that is unclear. */
export const unclearLabels = (labels: readonly string[], form: Form): string =>
  `the record was labelled ${listed(labels, "")}, which may be about one response, all of them or something else; use the responses' field names (${listed(responseFields(form), "there are none")}) as labels, or say in the mapping's \`labels\` what it means`

const DESIRABLE = /^(?:desirable|good|like|liked|up(?:vote)?|thumbs? up)$/
const UNDESIRABLE = /^(?:undesirable|bad|dislike|disliked|down(?:vote)?|thumbs? down)$/

const THUMBS: ReadonlyMap<string, Verdict["value"]> = new Map([
  ["👍", "desirable"],
  ["👎", "undesirable"],
])

/** What a label says of a form's only response; of several it would be a guess which it is about. */
function verdictOf(label: string, form: Form): Verdict | undefined {
  if (responseFields(form).length !== 1) return undefined
  const words = wordsOf(label)
  const value =
    THUMBS.get(words) ?? (DESIRABLE.test(words) ? "desirable" : UNDESIRABLE.test(words) ? "undesirable" : undefined)
  return value === undefined ? undefined : { kind: "verdict", value }
}

export type Tie = Extract<Judgement, { readonly kind: "tie" }>

/** The judgement of a label that stands alone; undefined: it is not known. Throws where the mapping itself is wrong. */
export function judgementOf(label: string, form: Form): Tie | Verdict | { kind: "choice"; winner: string } | undefined {
  const { labels = {} } = form.options
  const winner = responseNamed(label, form)
  if (!Object.hasOwn(labels, label))
    return winner === undefined ? (verdictOf(label, form) ?? tieOf(label)) : { kind: "choice", winner }
  const meaning = labels[label]!
  if (Object.hasOwn(MEANINGS, meaning.toLowerCase())) return MEANINGS[meaning.toLowerCase()]!
  if (isVerdict(meaning)) return { kind: "verdict", value: meaning }
  const mapped = responseNamed(meaning, form)
  if (mapped !== undefined) return { kind: "choice", winner: mapped }
  throw refusal(
    `the mapping's \`labels\` has ${JSON.stringify(meaning)} for ${JSON.stringify(label)}, which is no response field, tie, both-good, both-bad, desirable or undesirable`,
  )
}

const isVerdict = (meaning: string): meaning is Verdict["value"] => meaning === "desirable" || meaning === "undesirable"

/** The refusal of labels that nobody knows the meaning of. */
export function unknownLabels(labels: readonly string[], form: Form) {
  if (labels.some(isOfAnything)) return refusal(unclearLabels(labels, form))
  return refusal(
    `the record was labelled ${listed(labels, "with nothing")}, which is no field of it and no tie; use the responses' field names (${listed(responseFields(form), "there are none")}) as labels, or say in the mapping's \`labels\` what it means`,
  )
}

/** By its exact name, else in any case. */
function responseNamed(label: string, form: Form): string | undefined {
  const names = responseFields(form)
  if (names.includes(label)) return label
  const alike = names.filter((name) => name.toLowerCase() === label.toLowerCase())
  return alike.length === 1 ? alike[0] : undefined
}

const wordsOf = (label: string): string =>
  label
    .toLowerCase()
    .replaceAll(/['’.!]/g, "")
    .replaceAll(/[-_\s]+/g, " ")
    .trim()

function tieOf(label: string): Tie | undefined {
  const words = wordsOf(label)
  if (BAD.test(words)) return MEANINGS["both-bad"]
  if (GOOD.test(words)) return MEANINGS["both-good"]
  return TIE.test(words) ? MEANINGS.tie : undefined
}

/** Several ties said at once: the one that says most against the responses. */
export const gravest = (ties: readonly Tie[]): Tie | undefined =>
  ties.find(({ quality }) => quality === "bad") ?? ties.find(({ quality }) => quality === "good") ?? ties[0]
