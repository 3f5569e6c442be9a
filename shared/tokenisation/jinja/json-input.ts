// From JSON to Python's values: a number is an int or a float by how it was written.
import { membersOf, numberOfText, numberText } from "../exact-json.ts"
import { Dict, type Value } from "./values.ts"

export function fromJson(value: unknown): Value {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value
  const number = numberText(value)
  if (number !== undefined) return numberOfText(number)
  if (Array.isArray(value)) return value.map((item) => fromJson(item === undefined ? null : item))
  if (typeof value !== "object") throw new TypeError(`a template cannot be given a ${typeof value}`)
  return Dict.of(
    membersOf(value!)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [key, fromJson(member)] as const),
  )
}
