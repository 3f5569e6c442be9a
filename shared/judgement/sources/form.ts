// What the forms of labelling tools have in common: fields that hold the prompt and the responses, and controls that say something
// about them. Where several controls could be meant, none is guessed: the refusal names them.
import { BOUNDS } from "#shared/domain/bounds.ts"
import type { Judgement } from "../Comparison.ts"
import type { AnnotatedComparison, FormOptions } from "./annotation.ts"
import { type Form, familiesOf, familyOfWinner, promptOf, responseFields, textOf, usualOf } from "./form-fields.ts"
import { cut, listed, MOST_NAMES, refusal } from "./form-words.ts"
import { type Fields, InvalidPreferenceRow } from "./record.ts"

/** What one control says, or several that together score each response. */
export interface Answer {
  /** The controls; `question` may be any of them. */
  readonly names: readonly string[]
  /** What `question` may also say. */
  readonly alias?: string
  readonly judgement: Judgement
  /** The compared responses in their order; absent: a label says no more than its winner, a tie not even that. */
  readonly compared?: readonly string[]
  /** The fields that the control is about, where the tool says it. */
  readonly about?: readonly string[]
  /** Texts of responses that are no fields of the record. */
  readonly texts?: Fields
  /** Why it cannot be used although it is meant. */
  readonly refusal?: string
}

/** Each answer is looked for among all fields. Throws InvalidPreferenceRow. */
export function refuseLargeForm({ fields }: Form, answers: number): void {
  const count = Object.keys(fields).length
  const [what, found] = count > BOUNDS.form ? ["fields", count] : ["answers", answers]
  if (found > BOUNDS.form) throw refusal(`the record has ${found} ${what}, at most ${BOUNDS.form} are read`)
}

/** Of a refusal: what the mapping asks for, where it does, and what is there. */
export function askedAndFound({ question, ratings }: FormOptions, found: string): string {
  if (ratings !== undefined)
    return `the mapping's \`ratings\` asks for ${listed(Object.values(ratings), "nothing")}, and ${found}`
  return question === undefined ? found : `the mapping's \`question\` asks for ${listed([question], "")}, and ${found}`
}

const isNamed = ({ names, alias }: Answer, name: string): boolean => names.includes(name) || alias === name

/** The answer that is meant: the one named by `question`, else the only one. `none` is thrown where there is none. */
export function meantAnswer(answers: readonly Answer[], { question }: FormOptions, none: InvalidPreferenceRow): Answer {
  const meant = question === undefined ? answers : answers.filter((answer) => isNamed(answer, question))
  const [answer] = meant
  if (answer === undefined) throw none
  if (meant.length > 1) {
    const choices = meant.map(({ names }) => names.map(cut).join(" with ")).toSorted()
    const more = choices.length - MOST_NAMES
    throw refusal(
      `several answers could be meant: ${choices.slice(0, MOST_NAMES).join(", ")}${more > 0 ? ` and ${more} more` : ""}; name the one to read in the mapping's \`question\``,
    )
  }
  if (answer.refusal !== undefined) throw refusal(answer.refusal)
  return answer
}

/** Prompt, candidates and judgement of the answer that is meant. */
export function judged(form: Form, answer: Answer): Pick<AnnotatedComparison, "prompt" | "candidates" | "judgement"> {
  const prompt = promptOf(form)
  const compared = answer.compared ?? comparedBy(form, answer)
  const stranger = placesOf(answer.judgement).find((name) => !compared.includes(name))
  if (stranger !== undefined)
    throw refusal(
      `the answer names ${listed([stranger], "")}, which is none of the mapping's \`responses\`: ${listed(compared, "there are none")}`,
    )
  const fields = { ...form.fields, ...answer.texts }
  const candidates = compared.map((id) => ({ id, response: textOf(fields, id) }))
  return { prompt, candidates, judgement: answer.judgement }
}

function placesOf(judgement: Judgement): readonly string[] {
  if (judgement.kind === "ranking") return Object.keys(judgement.ranks)
  return judgement.kind === "rating" ? Object.keys(judgement.scores) : []
}

/** What a verdict is about. */
function onlyResponse(form: Form): string {
  const [response, ...others] = responseFields(form)
  if (response !== undefined && others.length === 0) return response
  throw refusal(
    `a verdict is on one response, and there are ${listed(responseFields(form), "none")}; name the one in the mapping's \`responses\``,
  )
}

/** The responses that a label speaks of without naming all of them: those that are named alike. */
function comparedBy(form: Form, { judgement, about = [] }: Answer): readonly string[] {
  const { responses } = form.options
  if (judgement.kind === "verdict") return [onlyResponse(form)]
  if (responses !== undefined) return responses
  if (judgement.kind === "choice") return familyOfWinner(form, judgement.winner, about)
  const families = familiesOf(form)
  const [family, ...others] = families
  const meant = usualOf(families) ?? (others.length === 0 ? family : undefined)
  if (meant !== undefined) return meant
  throw new InvalidPreferenceRow(
    "",
    "the responses were judged alike, but which they are is unknown; name the compared fields in the mapping's `responses`",
    judgement.kind === "tie" && judgement.quality === "bad" ? "bad-quality" : "tie",
  )
}
