// The tests after `is`, and the comparisons by name that select and its relatives take.
import { bind } from "./arguments.ts"
import { isCased } from "./letter-case.ts"
import { binary, contains, isAtMost, isEqual, lessThan } from "./operators.ts"
import { textOf } from "./python-text.ts"
import {
  Callable,
  Dict,
  DictView,
  Iteration,
  LoopValue,
  lengthOf,
  type NamedValues,
  SafeText,
  Undefined,
  type Value,
} from "./values.ts"

export type Test = (value: Value, args: readonly Value[], named: NamedValues) => boolean

const plain =
  (test: (value: Value) => boolean): Test =>
  (value, args, named) => {
    bind("the test", [], args, named)
    return test(value)
  }
const comparison =
  (test: (a: Value, b: Value) => boolean): Test =>
  (value, args, named) =>
    test(value, bind("the test", [["other"]], args, named)[0]!)
const modulo = (value: Value, divisor: Value, rest: bigint) => isEqual(binary("%", value, divisor), rest)

const isText = (value: Value) => typeof value === "string" || value instanceof SafeText
const isSequence = (value: Value) =>
  !(value instanceof DictView || value instanceof LoopValue) && lengthOf(value) !== undefined

function isIterable(value: Value): boolean {
  if (value instanceof Iteration || value instanceof LoopValue) return true
  return isText(value) || lengthOf(value) !== undefined
}

const equal = comparison(isEqual)
const different = comparison((a, b) => !isEqual(a, b))
const less = comparison((a, b) => lessThan(a, b))
const greater = comparison((a, b) => lessThan(b, a, ">"))

export const TESTS: Readonly<Record<string, Test>> = {
  odd: plain((value) => modulo(value, 2n, 1n)),
  even: plain((value) => modulo(value, 2n, 0n)),
  divisibleby: comparison((value, divisor) => modulo(value, divisor, 0n)),
  defined: plain((value) => !(value instanceof Undefined)),
  undefined: plain((value) => value instanceof Undefined),
  none: plain((value) => value === null),
  boolean: plain((value) => typeof value === "boolean"),
  true: plain((value) => value === true),
  false: plain((value) => value === false),
  integer: plain((value) => typeof value === "bigint"),
  float: plain((value) => typeof value === "number"),
  number: plain((value) => ["bigint", "number", "boolean"].includes(typeof value)),
  string: plain(isText),
  mapping: plain((value) => value instanceof Dict),
  sequence: plain(isSequence),
  iterable: plain(isIterable),
  callable: plain((value) => value instanceof Callable || value instanceof LoopValue || value instanceof Undefined),
  escaped: plain((value) => value instanceof SafeText),
  lower: plain((value) => isCased(textOf(value), "lower")),
  upper: plain((value) => isCased(textOf(value), "upper")),
  in: comparison((value, items) => contains(items, value)),
  "==": equal,
  eq: equal,
  equalto: equal,
  "!=": different,
  ne: different,
  "<": less,
  lt: less,
  lessthan: less,
  ">": greater,
  gt: greater,
  greaterthan: greater,
  "<=": comparison(isAtMost),
  le: comparison(isAtMost),
  ">=": comparison((a, b) => isAtMost(b, a)),
  ge: comparison((a, b) => isAtMost(b, a)),
}
