// The filters of sequences: sorted, selected and mapped as jinja2 does, lazily where it is lazy.
import { bind } from "./arguments.ts"
import { item } from "./members.ts"
import { lessThan } from "./operators.ts"
import { textOf } from "./python-text.ts"
import { TESTS } from "./tests.ts"
import {
  codePoints,
  Dict,
  Iteration,
  isTrue,
  itemsOf,
  iterate,
  keyOf,
  lengthOf,
  type NamedValues,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

type Call = (value: Value, args: readonly Value[], named: NamedValues) => Value

/** How `attribute=` looks up a member: by dots, with digits as indices. null is the value itself. */
export function getter(attribute: Value, fallback: Value = null): (value: Value) => Value {
  if (attribute === null) return (value) => value
  const path: Value[] =
    typeof attribute === "string"
      ? attribute.split(".").map((part) => (/^\d+$/.test(part) ? BigInt(part) : part))
      : [attribute]
  return (value) => {
    let found = value
    for (const part of path) {
      found = item(found, part)
      if (fallback !== null && found instanceof Undefined) found = fallback
    }
    return found
  }
}

const lowered = (value: Value) => (typeof value === "string" ? value.toLowerCase() : value)
export const keyGetter = (attribute: Value, isCaseSensitive: Value) => {
  const get = getter(attribute)
  return isTrue(isCaseSensitive) ? get : (value: Value) => lowered(get(value))
}

export function sorted(items: readonly Value[], keyed: (value: Value) => Value, isReverse: boolean): Value[] {
  const sign = isReverse ? -1 : 1
  return items
    .map((value) => ({ value, key: keyed(value) }))
    .sort((a, b) => (lessThan(a.key, b.key) ? -sign : lessThan(b.key, a.key) ? sign : 0))
    .map(({ value }) => value)
}

export function sortKey(attribute: Value, isCaseSensitive: Value): (value: Value) => Value {
  const attributes = typeof attribute === "string" ? attribute.split(",") : [attribute]
  const getters = attributes.map((each) => keyGetter(each, isCaseSensitive))
  return (value) => getters.map((get) => get(value))
}

export function dictSort(value: Value, isCaseSensitive: Value, by: Value, isReverse: Value): Value {
  if (by !== "key" && by !== "value") throw new TemplateError('You can only sort by either "key" or "value"')
  if (!(value instanceof Dict)) throw new TemplateError(`'${typeName(value)}' object has no attribute 'items'`)
  const at = by === "key" ? 0 : 1
  const keyed = (pair: Value) => {
    const key = (pair as Tuple).items[at]!
    return isTrue(isCaseSensitive) ? key : lowered(key)
  }
  return sorted(
    value.pairs().map((pair) => new Tuple(pair)),
    keyed,
    isTrue(isReverse),
  )
}

export function extreme(
  value: Value,
  keyed: (value: Value) => Value,
  isBetter: (a: Value, b: Value) => boolean,
): Value {
  let best: { readonly value: Value; readonly key: Value } | undefined
  for (const each of iterate(value)) {
    const key = keyed(each)
    if (best === undefined || isBetter(key, best.key)) best = { value: each, key }
  }
  return best?.value ?? (best === undefined ? new Undefined("No aggregated item, sequence was empty.") : null)
}

export function* uniqueItems(value: Value, keyed: (value: Value) => Value): Generator<Value> {
  const seen = new Set<unknown>()
  for (const each of iterate(value)) {
    const key = keyOf(keyed(each))
    if (!seen.has(key)) yield each
    seen.add(key)
  }
}

export function first(value: Value): Value {
  const { value: found, done } = iterate(value).next()
  return done ? new Undefined("No first item, sequence was empty.") : found
}

export function reversible(value: Value): readonly Value[] {
  if (value instanceof Iteration || lengthOf(value) === undefined) {
    throw new TemplateError(`'${typeName(value)}' object is not reversible`)
  }
  return itemsOf(value)
}

export function reverse(value: Value): Value {
  if (typeof value === "string") return [...codePoints(value)].reverse().join("")
  if (value instanceof Iteration) return [...itemsOf(value)].reverse()
  return new Iteration([...itemsOf(value)].reverse())
}

/** select, reject, selectattr and rejectattr. The test's name is looked up when the first item is asked for, as in jinja2. */
export function* selected(value: Value, args: readonly Value[], named: NamedValues, by: Selection): Generator<Value> {
  if (!isTrue(value)) return
  const [attribute, ...rest] = by.isByAttribute ? args : [null, ...args]
  if (attribute === undefined) throw new TemplateError("Missing parameter for attribute name")
  const get = by.isByAttribute ? getter(attribute) : (each: Value) => each
  const [name, ...testArguments] = rest
  const test = name === undefined ? undefined : lookUp(TESTS, name, "test")
  for (const each of iterate(value)) {
    const found = get(each)
    if ((test === undefined ? isTrue(found) : test(found, testArguments, named)) === by.keeps) yield each
  }
}

interface Selection {
  readonly isByAttribute: boolean
  readonly keeps: boolean
}

function lookUp<T>(table: Readonly<Record<string, T>>, name: Value, kind: string): T {
  const found = typeof name === "string" && Object.hasOwn(table, name) ? table[name] : undefined
  if (found === undefined) throw new UnsupportedConstruct(`the ${kind} ${textOf(name)}`)
  return found
}

/** The filter map; `filters` are those that it may name. */
export function* mapped(
  value: Value,
  args: readonly Value[],
  named: NamedValues,
  filters: Readonly<Record<string, Call>>,
): Generator<Value> {
  if (!isTrue(value)) return
  let call: (each: Value) => Value
  if (args.length === 0 && named.has("attribute")) {
    const [attribute, fallback] = bind("map", [["attribute"], ["default", null]], [], named)
    call = getter(attribute!, fallback)
  } else {
    const [name, ...rest] = args
    if (name === undefined) throw new TemplateError("map requires a filter argument")
    const apply = lookUp(filters, name, "filter")
    call = (each) => apply(each, rest, named)
  }
  for (const each of iterate(value)) yield call(each)
}
