// x.name, x[index] and x[a:b] as the sandbox of jinja2 looks them up: a dot asks for the attribute first and then the key,
// brackets the other way round. What Python has and this does not is refused by name, never taken for a key.
import { bind, integer } from "./arguments.ts"
import { isEqual, numberOf } from "./operators.ts"
import { STRING_METHODS, unsupportedMember } from "./string-methods.ts"
import {
  Callable,
  codePoints,
  Dict,
  DictView,
  Iteration,
  LoopValue,
  Namespace,
  Range,
  SafeText,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

/** What Python's types have beyond what is had here; those that change a list or dict the sandbox answers with Undefined. */
const OTHER_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  str: [
    "casefold",
    "encode",
    "expandtabs",
    "format_map",
    "isascii",
    "isidentifier",
    "isprintable",
    "istitle",
    "maketrans",
    "swapcase",
    "translate",
  ],
  dict: ["fromkeys"],
  // Whether the sandbox forbids these depends on jinja2's version.
  list: ["clear", "pop"],
  int: [
    "as_integer_ratio",
    "bit_count",
    "bit_length",
    "conjugate",
    "denominator",
    "from_bytes",
    "imag",
    "is_integer",
    "numerator",
    "real",
    "to_bytes",
  ],
  float: ["as_integer_ratio", "conjugate", "fromhex", "hex", "imag", "is_integer", "real"],
  range: ["count", "index", "start", "step", "stop"],
  dict_keys: ["isdisjoint", "mapping"],
  dict_values: ["mapping"],
  dict_items: ["isdisjoint", "mapping"],
}
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  list: ["append", "extend", "insert", "remove", "reverse", "sort"],
  dict: ["clear", "pop", "popitem", "setdefault", "update"],
}

/** Whether Python has a method of this name that is not had here. */
export function isMissingMethod(name: string): boolean {
  return !Object.hasOwn(STRING_METHODS, name) && Object.values(OTHER_MEMBERS).some((names) => names.includes(name))
}

/** value.name */
export function attribute(value: Value, name: string): Value {
  if (value instanceof Undefined) return value.raise()
  const found = ownAttribute(value, name)
  if (found !== undefined) return found
  return (value instanceof Dict ? value.get(name) : undefined) ?? absent(value, name)
}

/** value[index] */
export function item(value: Value, index: Value): Value {
  if (value instanceof Undefined) return value.raise()
  const found = subscript(value, index)
  if (found !== undefined) return found
  const name = index instanceof SafeText ? index.text : index
  if (typeof name !== "string") return new Undefined(`${typeName(value)} object has no such element`)
  return ownAttribute(value, name) ?? absent(value, name)
}

function absent(value: Value, name: string): Value {
  if (value instanceof Dict && value.has(name)) return null
  return new Undefined(`'${typeName(value)}' object has no attribute '${name}'`)
}

function subscript(value: Value, index: Value): Value | undefined {
  if (value instanceof Dict) {
    const isHashable = !Array.isArray(index) && !(index instanceof Dict)
    const found = isHashable ? value.get(index) : undefined
    return found
  }
  if (value instanceof SafeText) throw new UnsupportedConstruct("a subscript of text marked safe")
  const items = sequenceOf(value)
  const number = typeof index === "boolean" || typeof index === "bigint" ? numberOf(index) : undefined
  if (items === undefined || typeof number !== "bigint") return undefined
  return items[Number(number < 0n ? number + BigInt(items.length) : number)]
}

function sequenceOf(value: Value): ArrayLike<Value> | undefined {
  if (Array.isArray(value)) return value
  if (typeof value === "string") return codePoints(value)
  if (value instanceof Tuple) return value.items
  return value instanceof Range ? value.items() : undefined
}

/** getattr(value, name), or undefined where Python has no such attribute. */
function ownAttribute(value: Value, name: string): Value | undefined {
  if (value instanceof Namespace) return value.attributes.get(name) ?? (value.attributes.has(name) ? null : undefined)
  if (name.startsWith("__")) throw new UnsupportedConstruct(`the attribute ${name}`)
  if (value instanceof LoopValue) return value.attribute(name)
  if (value instanceof SafeText || value instanceof Callable || value instanceof Iteration)
    return unsupportedMember(value, name)
  if (typeof value === "string") {
    const method = STRING_METHODS[name]
    if (method !== undefined && Object.hasOwn(STRING_METHODS, name)) {
      return new Callable(name, "method", (args, named) => method(value, args, named))
    }
  }
  const type = typeof value === "boolean" ? "int" : typeName(value)
  if (FORBIDDEN[type]?.includes(name)) {
    return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`)
  }
  if (OTHER_MEMBERS[type]?.includes(name)) return unsupportedMember(value, name)
  if (value instanceof Dict) return dictMethod(value, name)
  const items = Array.isArray(value) ? (value as readonly Value[]) : value instanceof Tuple ? value.items : undefined
  return items === undefined ? undefined : listMethod(value, items, name)
}

function dictMethod(dict: Dict, name: string): Value | undefined {
  const method = (parameters: Parameters<typeof bind>[1], call: (...args: Value[]) => Value) =>
    new Callable(name, "method", (args, named) => {
      if (named.size > 0) throw new TemplateError(`dict.${name}() takes no keyword arguments`)
      return call(...bind(`dict.${name}()`, parameters, args, named))
    })
  if (name === "get")
    return method(
      [["key"], ["default", null]],
      (key, fallback) => dict.get(key!) ?? (dict.has(key!) ? null : fallback!),
    )
  if (name === "keys" || name === "values" || name === "items") return method([], () => new DictView(name, dict))
  return name === "copy" ? method([], () => dict) : undefined
}

function listMethod(value: Value, items: readonly Value[], name: string): Value | undefined {
  const owner = `${typeName(value)}.${name}()`
  const isFound = (wanted: Value) => (each: Value) => isEqual(each, wanted)
  const method = (call: (wanted: Value) => Value) =>
    new Callable(name, "method", (args, named) => call(bind(owner, [["value"]], args, named)[0]!))
  if (name === "count") return method((wanted) => BigInt(items.filter(isFound(wanted)).length))
  if (name === "copy" && Array.isArray(value)) return new Callable(name, "method", () => items)
  if (name !== "index") return undefined
  return method((wanted) => {
    const at = items.findIndex(isFound(wanted))
    if (at < 0) throw new TemplateError(`${typeName(wanted)} is not in ${typeName(value)}`)
    return BigInt(at)
  })
}

/** value[start:stop:step]; null stands for an absent bound. Throws TemplateError for what cannot be sliced. */
export function slice(value: Value, start: Value, stop: Value, step: Value): Value {
  if (value instanceof Undefined) return value.raise()
  if (value instanceof Range || value instanceof SafeText)
    throw new UnsupportedConstruct(`a slice of a ${typeName(value)}`)
  const items = sequenceOf(value)
  // Of a constant jinja2 makes Undefined, of a variable an error.
  if (items === undefined) throw new UnsupportedConstruct(`a slice of a ${typeName(value)}`)
  const bound = (given: Value) => (given === null ? undefined : Number(integer(given, "slice indices")))
  const stride = bound(step) ?? 1
  if (stride === 0) throw new TemplateError("slice step cannot be zero")
  const [low, high] = stride > 0 ? [0, items.length] : [-1, items.length - 1]
  const clamped = (at: number | undefined, fallback: number) =>
    at === undefined ? fallback : Math.min(high, Math.max(low, at < 0 ? at + items.length : at))
  const from = clamped(bound(start), stride > 0 ? low : high)
  const to = clamped(bound(stop), stride > 0 ? high : low)
  const taken: Value[] = []
  for (let at = from; stride > 0 ? at < to : at > to; at += stride) taken.push(items[at]!)
  if (typeof value === "string") return (taken as string[]).join("")
  return value instanceof Tuple ? new Tuple(taken) : taken
}
