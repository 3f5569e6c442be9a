// Labelling forms name their fields freely. Without a mapping at hand, these rules find the prompt and the judged responses.
import { readText } from "./messages.ts"
import { type PlacedCandidate, rankedPairs } from "./ranked-pairs.ts"
import { dropped, type Fields, InvalidPreferenceRow, type Statement } from "./record.ts"

const PROMPT_FIELDS = ["prompt", "instruction", "question", "input"]
const TIE_LABELS = ["tie", "both", "equal"]
const BAD_LABELS = ["both bad", "both_bad", "neither", "bad"]

/** A judgement in a form's own words. */
export type FormJudgement =
  | { readonly kind: "label"; readonly label: string }
  | { readonly kind: "ranking"; readonly scores: Readonly<Record<string, number>> }

/** The pairs that a form's judgement states about the fields of its record. `path` names the fields in errors. */
export function judgedForm(id: string | undefined, fields: Fields, judgement: FormJudgement, path: string): Statement {
  const prompt = PROMPT_FIELDS.find((name) => name in fields)
  if (prompt === undefined) {
    throw new InvalidPreferenceRow(
      path.replace(/\.$/, ""),
      `has no field named ${PROMPT_FIELDS.join(", ")}; rename the prompt's field`,
    )
  }
  const scores = judgement.kind === "ranking" ? judgement.scores : scoresOfLabel(judgement.label, fields, path)
  if ("dropped" in scores) return scores as Statement
  const candidates = Object.entries(scores as Readonly<Record<string, number>>).map(
    ([name, score]): PlacedCandidate => {
      if (Object.hasOwn(fields, name)) return { name, response: readText(fields[name], `${path}${name}`), score }
      throw new InvalidPreferenceRow(`${path}${name}`, "was judged, but the record has no such field")
    },
  )
  return rankedPairs(id, readText(fields[prompt], `${path}${prompt}`), candidates)
}

/** A label is a tie, or names the winning field; the others are the fields that are named alike: response_a, response_b. */
function scoresOfLabel(label: string, fields: Fields, path: string): Readonly<Record<string, number>> | Statement {
  const meaning = label.toLowerCase()
  if (TIE_LABELS.includes(meaning)) return dropped("tie", "the responses were judged alike")
  if (BAD_LABELS.includes(meaning)) return dropped("bad-quality", "the responses were judged bad")
  const winner = Object.keys(fields).find((name) => name.toLowerCase() === meaning)
  if (winner === undefined) {
    throw new InvalidPreferenceRow(
      path.replace(/\.$/, ""),
      `was labelled ${JSON.stringify(label)}, which is no field of it and no tie; use the responses' field names as labels`,
    )
  }
  const rivals = Object.keys(fields).filter((name) => stemOf(name) === stemOf(winner))
  if (rivals.length < 2) {
    throw new InvalidPreferenceRow(
      `${path}${winner}`,
      "was chosen, but no other field is named like it (response_a, response_b)",
    )
  }
  return Object.fromEntries(rivals.map((name) => [name, name === winner ? 1 : 0]))
}

/** response_a, response-1 and response1 all are "response". */
function stemOf(name: string): string {
  return name.replace(/[-_ ]?(?:\d+|(?<=[-_ ])[a-z])$/i, "")
}
