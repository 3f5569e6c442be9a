// Python's values as templates see them. None is null, int is bigint, float is number, list is an array, str and bool are
// themselves; the other types have a class here. A value is never JavaScript's undefined.

/** What Python or jinja2 raises: the template refuses the conversation. */
export class TemplateError extends Error {}

/** A construct whose result cannot be had exactly: refused by its name, and never rendered otherwise. */
export class UnsupportedConstruct extends TemplateError {
  constructor(construct: string) {
    super(`${construct} is not supported`)
  }
}

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Value[]
  | Tuple
  | Dict
  | DictView
  | Range
  | Iteration
  | Undefined
  | Namespace
  | Callable
  | SafeText
  | LoopValue

export type NamedValues = ReadonlyMap<string, Value>

export class Tuple {
  readonly items: readonly Value[]
  constructor(items: readonly Value[]) {
    this.items = items
  }
}

/** Keys that are equal in Python (1, 1.0, True) are one key; the first spelling stays. */
export class Dict {
  private readonly entries = new Map<Key, [key: Value, value: Value]>()

  static of(pairs: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict()
    for (const [key, value] of pairs) dict.set(key, value)
    return dict
  }
  get size(): number {
    return this.entries.size
  }
  set(key: Value, value: Value): void {
    const hashed = keyOf(key)
    const entry = this.entries.get(hashed)
    if (entry === undefined) this.entries.set(hashed, [key, value])
    else entry[1] = value
  }
  get(key: Value): Value | undefined {
    return this.entries.get(keyOf(key))?.[1]
  }
  has(key: Value): boolean {
    return this.entries.has(keyOf(key))
  }
  keys(): Value[] {
    return Array.from(this.entries.values(), ([key]) => key)
  }
  values(): Value[] {
    return Array.from(this.entries.values(), ([, value]) => value)
  }
  pairs(): readonly (readonly [Value, Value])[] {
    return [...this.entries.values()]
  }
}

export type Key = null | string | bigint | number | symbol

const UNDEFINED_KEY = Symbol("every Undefined equals every other")

/** The hash of a value. Throws TemplateError where it has none. */
export function keyOf(value: Value): Key {
  if (typeof value === "string" || typeof value === "bigint" || value === null) return value
  if (typeof value === "boolean") return value ? 1n : 0n
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value
  if (value instanceof SafeText) return value.text
  if (value instanceof Undefined) return UNDEFINED_KEY
  if (Array.isArray(value) || value instanceof Dict) throw new TemplateError(`unhashable type: '${typeName(value)}'`)
  throw new UnsupportedConstruct(`a ${typeName(value)} as a key`)
}

/** What keys(), values() and items() give: iterable and of a length, but not to be subscribed. */
export class DictView {
  readonly kind: "keys" | "values" | "items"
  readonly dict: Dict
  constructor(kind: "keys" | "values" | "items", dict: Dict) {
    this.kind = kind
    this.dict = dict
  }
  items(): Value[] {
    if (this.kind === "items") return this.dict.pairs().map((pair) => new Tuple(pair))
    return this.kind === "keys" ? this.dict.keys() : this.dict.values()
  }
}

export class Range {
  readonly start: bigint
  readonly stop: bigint
  readonly step: bigint
  readonly length: number
  constructor(start: bigint, stop: bigint, step: bigint) {
    this.start = start
    this.stop = stop
    this.step = step
    const span = step > 0n ? stop - start : start - stop
    const stride = step > 0n ? step : -step
    this.length = span <= 0n ? 0 : Number((span + stride - 1n) / stride)
  }
  items(): bigint[] {
    return Array.from({ length: this.length }, (_, index) => this.start + BigInt(index) * this.step)
  }
}

/** A generator or iterator: its items come once, and only when they are asked for. */
export class Iteration {
  readonly iterator: Iterator<Value>
  constructor(items: Iterable<Value>) {
    this.iterator = items[Symbol.iterator]()
  }
}

/** jinja2's default Undefined: empty as text, false, without items; everything else raises. */
export class Undefined {
  readonly hint: string
  constructor(hint: string) {
    this.hint = hint
  }
  raise(): never {
    throw new TemplateError(this.hint)
  }
}

export class Namespace {
  readonly attributes = new Map<string, Value>()
}

export class Callable {
  readonly name: string
  readonly kind: "method" | "macro" | "function"
  readonly call: (args: readonly Value[], named: NamedValues) => Value
  constructor(name: string, kind: "method" | "macro" | "function", call: Callable["call"]) {
    this.name = name
    this.kind = kind
    this.call = call
  }
}

/** Text marked by the filter `safe` (Markup): printed as it stands; what would escape the other operand is refused. */
export class SafeText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** The variable `loop`; see loop.ts. */
export abstract class LoopValue {
  abstract readonly length: number
  abstract attribute(name: string): Value | undefined
}

export function typeName(value: Value): string {
  if (value === null) return "NoneType"
  if (typeof value === "boolean") return "bool"
  if (typeof value === "bigint") return "int"
  if (typeof value === "number") return "float"
  if (typeof value === "string") return "str"
  if (value instanceof Tuple) return "tuple"
  if (value instanceof Dict) return "dict"
  if (value instanceof DictView) return `dict_${value.kind}`
  if (value instanceof Range) return "range"
  if (value instanceof Iteration) return "generator"
  if (value instanceof Undefined) return "Undefined"
  if (value instanceof Namespace) return "Namespace"
  if (value instanceof Callable) return value.kind
  if (value instanceof SafeText) return "Markup"
  return value instanceof LoopValue ? "LoopContext" : "list"
}

/** Python's truth. */
export function isTrue(value: Value): boolean {
  if (typeof value === "boolean") return value
  if (value === null) return false
  if (typeof value === "bigint") return value !== 0n
  if (typeof value === "number") return value !== 0
  if (value instanceof Undefined) return false
  return (lengthOf(value) ?? 1) > 0
}

/** Python's len, or undefined where a value has none. */
export function lengthOf(value: Value): number | undefined {
  if (typeof value === "string") return codePoints(value).length
  if (Array.isArray(value)) return value.length
  if (value instanceof Tuple) return value.items.length
  if (value instanceof Dict) return value.size
  if (value instanceof DictView) return value.dict.size
  if (value instanceof Range || value instanceof LoopValue) return value.length
  if (value instanceof SafeText) return codePoints(value.text).length
  return value instanceof Undefined ? 0 : undefined
}

/** Items in order. Throws TemplateError where a value cannot be iterated over. */
export function iterate(value: Value): Iterator<Value> & Iterable<Value> {
  if (value instanceof Iteration) return asIterable(value.iterator)
  return itemsOf(value)[Symbol.iterator]() as Iterator<Value> & Iterable<Value>
}

/** All items as a list. */
export function itemsOf(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value
  if (typeof value === "string") return Array.from(value)
  if (value instanceof SafeText) throw new UnsupportedConstruct("iterating over text marked safe")
  if (value instanceof Tuple) return value.items
  if (value instanceof Dict) return value.keys()
  if (value instanceof DictView || value instanceof Range) return value.items()
  if (value instanceof Iteration) return [...asIterable(value.iterator)]
  if (value instanceof Undefined) return []
  if (value instanceof LoopValue) throw new UnsupportedConstruct("iterating over loop")
  throw new TemplateError(`'${typeName(value)}' object is not iterable`)
}

function asIterable(iterator: Iterator<Value>): Iterator<Value> & Iterable<Value> {
  const iterable = { next: () => iterator.next(), [Symbol.iterator]: () => iterable }
  return iterable
}

/** The characters as Python counts them; a string without surrogates is its own list. */
export function codePoints(text: string): string | readonly string[] {
  return /[\ud800-\udfff]/.test(text) ? Array.from(text) : text
}
