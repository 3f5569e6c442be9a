// The filter tojson as transformers has it: json.dumps without HTML escapes, ensure_ascii off unless asked for.
import { lessThan } from "./operators.ts"
import { textOfFloat, textOfInteger } from "./python-text.ts"
import { Dict, SafeText, TemplateError, Tuple, typeName, type Value } from "./values.ts"

export interface JsonStyle {
  readonly ensureAscii: boolean
  /** one level's white space, or undefined for one line */
  readonly indent: string | undefined
  readonly itemSeparator: string
  readonly keySeparator: string
  readonly sortKeys: boolean
}

/** Throws TemplateError for what JSON cannot hold. */
export function toJson(value: Value, style: JsonStyle, level = 0): string {
  if (typeof value === "string") return quoted(value, style.ensureAscii)
  if (value instanceof SafeText) return quoted(value.text, style.ensureAscii)
  if (value === null) return "null"
  if (typeof value === "boolean") return value ? "true" : "false"
  if (typeof value === "bigint") return textOfInteger(value)
  if (typeof value === "number") return floatText(value)
  const items = Array.isArray(value) ? (value as readonly Value[]) : value instanceof Tuple ? value.items : undefined
  if (items !== undefined) {
    return enclosed(
      "[]",
      items.map((item) => toJson(item, style, level + 1)),
      style,
      level,
    )
  }
  if (value instanceof Dict) return enclosed("{}", members(value, style, level), style, level)
  throw new TemplateError(`Object of type ${typeName(value)} is not JSON serializable`)
}

function members(dict: Dict, style: JsonStyle, level: number): string[] {
  const pairs = [...dict.pairs()]
  if (style.sortKeys) pairs.sort(([a], [b]) => (lessThan(a, b) ? -1 : lessThan(b, a) ? 1 : 0))
  return pairs.map(
    ([key, item]) => quoted(keyText(key), style.ensureAscii) + style.keySeparator + toJson(item, style, level + 1),
  )
}

function keyText(key: Value): string {
  if (typeof key === "string") return key
  if (key instanceof SafeText) return key.text
  if (typeof key === "number") return floatText(key)
  if (typeof key === "boolean") return key ? "true" : "false"
  if (key === null) return "null"
  if (typeof key === "bigint") return textOfInteger(key)
  throw new TemplateError(`keys must be str, int, float, bool or None, not ${typeName(key)}`)
}

function enclosed([open, close]: string, parts: readonly string[], style: JsonStyle, level: number): string {
  if (parts.length === 0) return open! + close!
  if (style.indent === undefined) return open + parts.join(style.itemSeparator) + close
  const newline = `\n${style.indent.repeat(level + 1)}`
  return `${open}${newline}${parts.join(style.itemSeparator + newline)}\n${style.indent.repeat(level)}${close}`
}

function floatText(value: number): string {
  if (Number.isFinite(value)) return textOfFloat(value)
  return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"
}

const LONE_SURROGATE_ESCAPE = /\\(?:\\|u(d[89a-f][0-9a-f]{2})|.)/g

function quoted(text: string, ensureAscii: boolean): string {
  const json = JSON.stringify(text)
  if (ensureAscii) {
    return json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
  }
  // JSON.stringify escapes half surrogate pairs, which Python writes as they are.
  if (text.isWellFormed()) return json
  return json.replace(LONE_SURROGATE_ESCAPE, (escaped, code?: string) =>
    code === undefined ? escaped : String.fromCharCode(Number.parseInt(code, 16)),
  )
}
