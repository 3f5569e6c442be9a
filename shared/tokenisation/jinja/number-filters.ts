// The filters int, float, abs and round.
import { bind, integer } from "./arguments.ts"
import { numberOf, toFloat } from "./operators.ts"
import { SPACE, toFixedExactly } from "./python-text.ts"
import { type NamedValues, TemplateError, Undefined, UnsupportedConstruct, type Value } from "./values.ts"

const EDGES = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g")
const DECIMAL = /^[-+]?\d+(?:_\d+)*$/
const FLOAT = /^[-+]?(?:(?:\d+(?:_\d+)*)?\.\d+(?:_\d+)*|\d+(?:_\d+)*\.?)(?:[eE][-+]?\d+(?:_\d+)*)?$/

/** float(value), or undefined where Python raises ValueError or TypeError. */
function parseFloatAsPython(value: Value): number | undefined {
  const number = numberOf(value)
  if (number !== undefined) return toFloat(number)
  if (typeof value !== "string") return undefined
  const digits = value.replace(EDGES, "")
  if (/(?![0-9])\p{Nd}/u.test(digits)) throw new UnsupportedConstruct("a number in other digits than 0 to 9")
  if (FLOAT.test(digits)) return Number(digits.replaceAll("_", ""))
  const word = /^([-+]?)(inf|infinity|nan)$/i.exec(digits)
  if (word === null) return undefined
  return (word[2]!.toLowerCase() === "nan" ? Number.NaN : Number.POSITIVE_INFINITY) * (word[1] === "-" ? -1 : 1)
}

function toInteger(value: Value, fallback: Value, base: Value): Value {
  if (typeof value === "string") {
    if (base !== 10n) throw new UnsupportedConstruct("the filter int with a base")
    const digits = value.replace(EDGES, "")
    if (DECIMAL.test(digits)) return BigInt(digits.replaceAll("_", "").replace(/^\+/, ""))
  }
  const number = typeof value === "string" ? undefined : numberOf(value)
  if (typeof number === "bigint") return number
  if (value instanceof Undefined) return value.raise()
  const float = parseFloatAsPython(value)
  if (float === undefined || Number.isNaN(float)) return fallback
  if (!Number.isFinite(float)) throw new TemplateError("cannot convert float infinity to integer")
  return BigInt(Math.trunc(float))
}

function round(value: Value, precision: Value, method: Value): Value {
  if (method !== "common" && method !== "ceil" && method !== "floor") {
    throw new TemplateError("method must be common, ceil or floor")
  }
  if (value instanceof Undefined) value.raise()
  const number = numberOf(value)
  if (number === undefined) throw new TemplateError("round: the value is no number")
  const decimals = Number(integer(precision, "round"))
  if (decimals < 0 || decimals > 15) throw new UnsupportedConstruct("round to fewer than 0 or more than 15 decimals")
  if (method === "common") {
    if (typeof number === "bigint") return number
    return Number.isFinite(number) ? Number(toFixedExactly(number, decimals)) : number
  }
  const scale = 10 ** decimals
  const scaled = Number(number) * scale
  if (
    !Number.isSafeInteger(Math.ceil(scaled)) ||
    (typeof number === "bigint" && !Number.isSafeInteger(Number(number)))
  ) {
    throw new UnsupportedConstruct("round of a number beyond 2^53")
  }
  return (method === "ceil" ? Math.ceil(scaled) : Math.floor(scaled)) / scale + 0
}

const from =
  (parameters: readonly (readonly [string, Value?])[], call: (value: Value, ...args: Value[]) => Value) =>
  (value: Value, args: readonly Value[], named: NamedValues) =>
    call(value, ...bind("the filter", parameters, args, named))

export const NUMBER_FILTERS = {
  abs: from([], (value) => {
    if (value instanceof Undefined) value.raise()
    const number = numberOf(value)
    if (number === undefined) throw new TemplateError("bad operand type for abs()")
    return typeof number === "bigint" ? (number < 0n ? -number : number) : Math.abs(number)
  }),
  float: from([["default", 0]], (value, fallback) => {
    if (value instanceof Undefined) return value.raise()
    return parseFloatAsPython(value) ?? fallback!
  }),
  int: from(
    [
      ["default", 0n],
      ["base", 10n],
    ],
    (value, fallback, base) => toInteger(value, fallback!, base!),
  ),
  round: from(
    [
      ["precision", 0n],
      ["method", "common"],
    ],
    (value, precision, method) => round(value, precision!, method!),
  ),
}
