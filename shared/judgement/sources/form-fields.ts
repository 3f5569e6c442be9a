// The fields of a form's record: which hold the prompt, which are responses, and which of those belong together. Responses are told by
// their names alone (response_a, response_b): where the names leave it open, the mapping's `responses` says it, or the record is refused.
import type { Text } from "../Comparison.ts"
import type { FormOptions } from "./annotation.ts"
import { listed, refusal } from "./form-words.ts"
import { readText } from "./messages.ts"
import type { Fields } from "./record.ts"

/** A record that was labelled, and how it is to be read. */
export interface Form {
  readonly fields: Fields
  readonly options: FormOptions
}

const PROMPT_FIELDS = ["prompt", "instruction", "question", "input"]
/** These two are halves of one prompt wherever they stand together, joined as LLaMA-Factory joins them. */
const HALVES = ["instruction", "input"]

const MEND = "name the compared fields in the mapping's `responses`"

/** Fields that hold the prompt or a part of it: the mapping's, else all that have a prompt's name. */
const promptFields = ({ fields, options }: Form): readonly string[] =>
  options.prompt === undefined ? PROMPT_FIELDS.filter((name) => Object.hasOwn(fields, name)) : [options.prompt]

export const isPrompt = (form: Form, name: string): boolean => promptFields(form).includes(name)

/** All of the prompt. Throws InvalidPreferenceRow where fields hold different ones: none of them is lost without a word. */
export function promptOf(form: Form): Text {
  const { fields } = form
  const names = promptFields(form)
  const [first] = names
  if (first === undefined)
    throw refusal(
      `the record has no field named ${PROMPT_FIELDS.join(", ")}; rename the prompt's field, or name it in the mapping's \`prompt\`: ${textsIn(fields)}`,
    )
  const filled = Map.groupBy(
    names.filter((name) => isFilled(fields[name])),
    (name) => said(fields[name]),
  )
  const parts = [...filled.values()].map(([name]) => name!)
  if (parts.length < 2) return textOf(fields, parts[0] ?? first)
  const texts = HALVES.map((name) => fields[name])
  const isHalved = parts.every((name) => HALVES.includes(name)) && texts.every((text) => typeof text === "string")
  if (isHalved) return texts.join("\n")
  throw refusal(
    `the prompt could be ${listed(parts, "")}, which say different things; name the field that holds all of it in the mapping's \`prompt\``,
  )
}

const said = (value: unknown): string => (typeof value === "string" ? value.trim() : JSON.stringify(value))
const isFilled = (value: unknown): boolean => value !== undefined && value !== null && said(value) !== ""

export function textOf(fields: Fields, name: string): Text {
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
  if (options.responses !== undefined) return options.responses
  const prompts = promptFields(form)
  return Object.keys(fields).filter((name) => !prompts.includes(name) && isTextual(fields[name]))
}

/** In the mapping's order, else the record's; items that are no fields come first, as they came. */
export function inOrder({ fields, options }: Form, names: readonly string[]): readonly string[] {
  const places = Object.keys(fields)
  return options.responses ?? [...new Set(names)].toSorted((a, b) => places.indexOf(a) - places.indexOf(b))
}

/** response_a, response-1 and response1 all are "response", and a, b, 1 and 2 are nothing but letters and digits. */
export const stemOf = (name: string): string => {
  if (name.length === 1 && isLetter(name)) return ""
  let end = name.length
  // A pattern that ends in any number of digits takes the square of their number where something else follows.
  while (isDigit(name[end - 1])) end -= 1
  if (end < name.length) return isSeparator(name[end - 1]) ? name.slice(0, end - 1) : name.slice(0, end)
  return isLettered(name) ? name.slice(0, -2) : name
}

const isDigit = (character: string | undefined): boolean => character !== undefined && /^\d$/.test(character)
const isSeparator = (character: string | undefined): boolean => character !== undefined && "-_ ".includes(character)
const isLetter = (character: string): boolean => /^[a-z]$/i.test(character)
const isLettered = (name: string): boolean => isSeparator(name.at(-2)) && isLetter(name.slice(-1))

/** Responses that are named alike, two or more each. */
export const familiesOf = (form: Form): readonly (readonly string[])[] =>
  [...Map.groupBy(responseFields(form), stemOf).values()].filter((family) => family.length > 1)

/** Whether it counts by letters and by digits: response_1 beside response_a and response_b is something else. */
const isMixed = (family: readonly string[]): boolean =>
  family.some((name) => isDigit(name.at(-1))) && family.some(isLettered)

const DEFAULT_RESPONSES = ["response_a", "response_b"]

export const usualOf = (families: readonly (readonly string[])[]): readonly string[] | undefined =>
  families.find((names) => DEFAULT_RESPONSES.every((name) => names.includes(name)))

/**
 * What a chosen field was chosen among: those that are named like it. `about`: the fields that the control is about, where the tool says
 * it. Throws InvalidPreferenceRow where the names leave it open.
 */
export function familyOfWinner(form: Form, winner: string, about: readonly string[]): readonly string[] {
  const families = familiesOf(form)
  const family = families.find((names) => names.includes(winner))
  if (family === undefined)
    throw refusal(`${winner} was chosen, but no other field is named like it (response_a, response_b); ${MEND}`)
  const isMeant = families.length === 1 || family === usualOf(families) || about.some((name) => family.includes(name))
  if (isMeant && !isMixed(family)) return family
  const choices = families.map((names) => listed(names, "")).join(", or ")
  throw refusal(`${winner} was chosen, and what it was compared with is open: ${choices}; ${MEND}`)
}

/** Why fields that were compared with one another cannot be: one has others like it, and another is none of those. */
export function unlikeCompared(form: Form, compared: readonly string[]): string | undefined {
  if (form.options.responses !== undefined) return undefined
  const stems = familiesOf(form).map(([name]) => stemOf(name!))
  const stem = compared.map(stemOf).find((of) => stems.includes(of))
  if (stem === undefined || compared.every((name) => stemOf(name) === stem)) return undefined
  return `${listed(compared, "")} were compared, which are not all named alike; ${MEND}`
}

interface Rated {
  readonly compared: readonly string[]
  readonly refusal?: string
}

/** Of fields that were rated each by itself, those that are compared: the responses. A rated context is none. */
export function comparedOfRated(form: Form, rated: readonly string[]): Rated {
  const { responses } = form.options
  if (responses !== undefined) {
    const within = rated.filter((name) => responses.includes(name))
    return { compared: within.length > 1 ? within : rated }
  }
  const alike = [...Map.groupBy(rated, stemOf).values()].filter((names) => names.length > 1)
  if (alike.length === 1) return { compared: alike[0]! }
  const inFamilies = familiesOf(form).flat()
  const isPart = rated.some((name) => inFamilies.includes(name))
  if (rated.length < 2 || (alike.length === 0 && isPart)) return { compared: [] }
  return {
    compared: rated,
    refusal: `ratings are of ${listed(rated, "")}, and which of them are compared is open; ${MEND}`,
  }
}
