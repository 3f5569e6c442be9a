// The functions that every template may call: jinja2's range, dict and namespace, and transformers' raise_exception.
import { bind, integer } from "./arguments.ts"
import { textOf } from "./python-text.ts"
import {
  Callable,
  Dict,
  itemsOf,
  iterate,
  type NamedValues,
  Namespace,
  Range,
  TemplateError,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

/** The sandbox's bound. */
const LONGEST_RANGE = 100_000

function range(args: readonly Value[], named: NamedValues): Value {
  if (named.size > 0) throw new TemplateError("range() takes no keyword arguments")
  if (args.length < 1 || args.length > 3) throw new TemplateError("range expected 1 to 3 arguments")
  const [first, second, third] = args.map((value) => integer(value, "range"))
  const step = third ?? 1n
  if (step === 0n) throw new TemplateError("range() arg 3 must not be zero")
  const made = second === undefined ? new Range(0n, first!, 1n) : new Range(first!, second, step)
  if (made.length > LONGEST_RANGE)
    throw new TemplateError(`Range too big. The sandbox blocks ranges larger than ${LONGEST_RANGE}.`)
  return made
}

function dict(args: readonly Value[], named: NamedValues): Dict {
  if (args.length > 1) throw new TemplateError("dict expected at most 1 argument")
  const [given] = args
  const pairs = given === undefined ? [] : given instanceof Dict ? given.pairs() : Array.from(iterate(given), pairOf)
  return Dict.of([...pairs, ...named])
}

function pairOf(value: Value): readonly [Value, Value] {
  const [key, item, ...more] = itemsOf(value)
  if (key === undefined || item === undefined || more.length > 0) {
    throw new TemplateError("dictionary update sequence element must have length 2")
  }
  return [key, item]
}

function namespace(args: readonly Value[], named: NamedValues): Namespace {
  const made = new Namespace()
  for (const [name, value] of dict(args, named).pairs()) {
    if (typeof name !== "string") throw new UnsupportedConstruct("a namespace's attribute whose name is no text")
    made.attributes.set(name, value)
  }
  return made
}

function raiseException(args: readonly Value[], named: NamedValues): never {
  throw new TemplateError(textOf(bind("raise_exception", [["message"]], args, named)[0]!))
}

export const GLOBALS: ReadonlyMap<string, Value> = new Map(
  Object.entries({ range, dict, namespace, raise_exception: raiseException }).map(
    ([name, call]) => [name, new Callable(name, "function", call)] as const,
  ),
)
