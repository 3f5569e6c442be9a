// What the forms of labelling tools have in common: fields that hold the prompt and the responses, and controls that say something
// about them. Where several controls could be meant, none is guessed: the refusal names them.
import { BOUNDS } from "#shared/domain/bounds.ts"
import type { Judgement, Text } from "../Comparison.ts"
import type { AnnotatedComparison, FormOptions } from "./annotation.ts"
import { readText } from "./messages.ts"
import { type Fields, InvalidPreferenceRow } from "./record.ts"

/** A record that was labelled, and how it is to be read. */
export interface Form {
  readonly fields: Fields
  readonly options: FormOptions
}

/** What one control says, or several that together score each response. */
export interface Answer {
  /** The controls; `question` may be any of them. */
  readonly names: readonly string[]
  /** What `question` may also say. */
  readonly alias?: string
  readonly judgement: Judgement
  /** The compared responses in their order; absent: a label says no more than its winner, a tie not even that. */
  readonly compared?: readonly string[]
  /** Texts of responses that are no fields of the record. */
  readonly texts?: Fields
  /** Why it cannot be used although it is meant. */
  readonly refusal?: string
}

const PROMPT_FIELDS = ["prompt", "instruction", "question", "input"]
const DEFAULT_RESPONSES = ["response_a", "response_b"]

/** Each answer is looked for among all fields. Throws InvalidPreferenceRow. */
export function refuseLargeForm({ fields }: Form, answers: number): void {
  const count = Object.keys(fields).length
  const [what, found] = count > BOUNDS.form ? ["fields", count] : ["answers", answers]
  if (found > BOUNDS.form) throw refusal(`the record has ${found} ${what}, at most ${BOUNDS.form} are read`)
}

export const refusal = (message: string): InvalidPreferenceRow => new InvalidPreferenceRow("", message)

/** Understood, but nothing in it compares responses. */
export const noJudgement = (message: string): InvalidPreferenceRow =>
  new InvalidPreferenceRow("", message, "no-judgement")

export const quoted = (names: readonly string[]): string =>
  names
    .toSorted()
    .map((name) => JSON.stringify(name))
    .join(" and ")

const MOST_NAMES = 20
const MOST_NAME_CHARACTERS = 80
const cut = (name: string): string =>
  name.length > MOST_NAME_CHARACTERS ? `${name.slice(0, MOST_NAME_CHARACTERS)}…` : name

/** Names out of a record, as a message may hold them; `none` where there are none. */
export function listed(names: readonly string[], none: string): string {
  const different = [...new Set(names)]
  if (different.length === 0) return none
  const more = different.length - MOST_NAMES
  return `${quoted(different.slice(0, MOST_NAMES).map(cut))}${more > 0 ? ` and ${more} more` : ""}`
}

/** Of a refusal: what the mapping asks for, where it does, and what is there. */
export function askedAndFound({ question, ratings }: FormOptions, found: string): string {
  if (ratings !== undefined)
    return `the mapping's \`ratings\` asks for ${listed(Object.values(ratings), "nothing")}, and ${found}`
  return question === undefined ? found : `the mapping's \`question\` asks for ${listed([question], "")}, and ${found}`
}

/** response_a, response-1 and response1 all are "response". */
export const stemOf = (name: string): string => {
  let end = name.length
  // A pattern that ends in any number of digits takes the square of their number where something else follows.
  while (isDigit(name[end - 1])) end -= 1
  if (end < name.length) return isSeparator(name[end - 1]) ? name.slice(0, end - 1) : name.slice(0, end)
  return isSeparator(name.at(-2)) && /[a-z]$/i.test(name.slice(-1)) ? name.slice(0, -2) : name
}

const isDigit = (character: string | undefined): boolean => character !== undefined && /^\d$/.test(character)
const isSeparator = (character: string | undefined): boolean => character !== undefined && "-_ ".includes(character)

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
  const compared = answer.compared ?? comparedBy(form, answer.judgement)
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

function promptOf({ fields, options }: Form): Text {
  const field = promptField({ fields, options })
  if (field !== undefined) return textOf(fields, field)
  throw refusal(
    `the record has no field named ${PROMPT_FIELDS.join(", ")}; rename the prompt's field, or name it in the mapping's \`prompt\`: ${textsIn(fields)}`,
  )
}

export const promptField = ({ fields, options }: Form): string | undefined =>
  options.prompt ?? PROMPT_FIELDS.find((name) => Object.hasOwn(fields, name))

function textOf(fields: Fields, name: string): Text {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (isTextual(value)) return readText(value, name)
  throw refusal(
    `the record's field ${listed([name], "")} holds no text; name the right field in the mapping: ${textsIn(fields)}`,
  )
}

const textsIn = (fields: Fields): string =>
  `the record has ${listed(
    Object.keys(fields).filter((name) => isTextual(fields[name])),
    "no field with a text",
  )}`

const isTextual = (value: unknown): boolean => typeof value === "string" || Array.isArray(value)

/** Fields that a label may name or a ranking place. */
export function responseFields(form: Form): readonly string[] {
  const { fields, options } = form
  const prompt = promptField(form)
  return options.responses ?? Object.keys(fields).filter((name) => name !== prompt && isTextual(fields[name]))
}

/** In the mapping's order, else the record's; items that are no fields come first, as they came. */
export function inOrder({ fields, options }: Form, names: readonly string[]): readonly string[] {
  const places = Object.keys(fields)
  return options.responses ?? [...new Set(names)].toSorted((a, b) => places.indexOf(a) - places.indexOf(b))
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
function comparedBy(form: Form, judgement: Judgement): readonly string[] {
  const { responses } = form.options
  if (judgement.kind === "verdict") return [onlyResponse(form)]
  if (responses !== undefined) return responses
  const families = [...Map.groupBy(responseFields(form), stemOf).values()].filter((family) => family.length > 1)
  if (judgement.kind === "choice") {
    const { winner } = judgement
    const family = families.find((names) => names.includes(winner))
    if (family !== undefined) return family
    throw refusal(
      `${winner} was chosen, but no other field is named like it (response_a, response_b); name the compared fields in the mapping's \`responses\``,
    )
  }
  const usual = families.find((names) => DEFAULT_RESPONSES.every((name) => names.includes(name)))
  if (usual !== undefined) return usual
  if (families.length === 1) return families[0]!
  throw new InvalidPreferenceRow(
    "",
    "the responses were judged alike, but which they are is unknown; name the compared fields in the mapping's `responses`",
    judgement.kind === "tie" && judgement.quality === "bad" ? "bad-quality" : "tie",
  )
}
