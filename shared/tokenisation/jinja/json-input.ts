// From JSON to Python's values. A number keeps its source text where JavaScript's number would print otherwise than Python
// does after json.loads: integers beyond 2^53, and floats that are whole (1.0, 1e5) or too large.
import { Dict, type Value } from "./values.ts"

export function fromJson(value: unknown): Value {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value === "bigint") return value
  if (Array.isArray(value)) return value.map((item) => fromJson(item === undefined ? null : item))
  if (typeof value !== "object") throw new TypeError(`a template cannot be given a ${typeof value}`)
  return Dict.of(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [key, fromJson(member)] as const),
  )
}
