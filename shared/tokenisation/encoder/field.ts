// Reading the parts of tokenizer.json: a part that is not known, or lacks a field, is refused by its name.
import { InvalidTokenizer } from "../invalid-tokenizer.ts"

/** A part of tokenizer.json: a normaliser, a pre-tokenizer, … */
export type Part = Readonly<Record<string, unknown>>

/** Throws InvalidTokenizer: what the file has and is not read here. */
export function refuse(what: string): never {
  throw new InvalidTokenizer(
    `tokenizer.json has ${what}, which is not computed here as the model's authors do; use a model whose tokenizer is ` +
      "BPE or Unigram with the usual parts, or tokenise beforehand",
  )
}

/** Throws InvalidTokenizer: the file cannot be right. */
export function fault(what: string): never {
  throw new InvalidTokenizer(`tokenizer.json cannot be used: ${what}; fetch the model folder again`)
}

export function isPart(value: unknown): value is Part {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A part that may be null. Throws InvalidTokenizer when it is no object with a type. */
export function partOf(value: unknown, name: string): (Part & { readonly type: string }) | undefined {
  if (value === null || value === undefined) return undefined
  if (isPart(value) && typeof value.type === "string") return value as Part & { readonly type: string }
  return fault(`${name} is no object with a type`)
}

/** A list of parts. */
export function partsOf(value: unknown, name: string): (Part & { readonly type: string })[] {
  if (!Array.isArray(value)) return fault(`${name} is no list`)
  return value.map((part) => partOf(part, `a member of ${name}`) ?? fault(`${name} holds null`))
}

export function textOf(part: Part, name: string): string {
  const value = part[name]
  return typeof value === "string" ? value : fault(`${name} of ${part.type} is no text`)
}

export function flagOf(part: Part, name: string, preset?: boolean): boolean {
  const value = part[name] ?? preset
  return typeof value === "boolean" ? value : fault(`${name} of ${part.type} is neither true nor false`)
}

export function countOf(part: Part, name: string): number {
  const value = part[name]
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : fault(`${name} of ${part.type} is no count`)
}

/** One character, also one beyond the basic plane. */
export function characterOf(part: Part, name: string): string {
  const text = textOf(part, name)
  return [...text].length === 1 ? text : fault(`${name} of ${part.type} is not one character`)
}
