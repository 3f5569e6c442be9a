// Expressions to functions of the running template. What has no exact counterpart here is refused while compiling.
import { FILTERS } from "./filters.ts"
import { type Evaluate, type Frame, reader } from "./frames.ts"
import { attribute, isMissingMethod, item, slice } from "./members.ts"
import type { Arguments, CompareOperator, Expression } from "./nodes.ts"
import { binary, contains, isAtMost, isEqual, lessThan, numberOf } from "./operators.ts"
import { textOf } from "./python-text.ts"
import type { Symbols } from "./symbols.ts"
import { TESTS } from "./tests.ts"
import {
  Callable,
  Dict,
  isTrue,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

export function compileExpression(expression: Expression, symbols: Symbols): Evaluate {
  const compile = (part: Expression) => compileExpression(part, symbols)
  switch (expression.kind) {
    case "constant": {
      const { value } = expression
      return () => value
    }
    case "name":
      return compileName(expression.name, symbols)
    case "tuple": {
      const items = expression.items.map(compile)
      return (frame) => new Tuple(items.map((each) => each(frame)))
    }
    case "list": {
      const items = expression.items.map(compile)
      return (frame) => items.map((each) => each(frame))
    }
    case "dict": {
      const entries = expression.entries.map(([key, value]) => [compile(key), compile(value)] as const)
      return (frame) => Dict.of(entries.map(([key, value]) => [key(frame), value(frame)] as const))
    }
    case "attribute": {
      const target = compile(expression.target)
      return (frame) => attribute(target(frame), expression.name)
    }
    case "item": {
      const [target, index] = [compile(expression.target), compile(expression.index)]
      return (frame) => item(target(frame), index(frame))
    }
    case "slice": {
      const target = compile(expression.target)
      const [start, stop, step] = [0, 1, 2].map((at) => {
        const bound = expression.bounds[at]
        return bound === undefined ? () => null : compile(bound)
      })
      return (frame) => slice(target(frame), start!(frame), stop!(frame), step!(frame))
    }
    case "call":
      return compileCall(expression.target, expression.args, symbols)
    case "filter":
      return compileFilter(expression.name, compile(expression.target), expression.args, symbols)
    case "test":
      return compileTest(expression.name, compile(expression.target), expression.args, symbols)
    default:
      return compileOperation(expression, compile)
  }
}

type Operation = Extract<
  Expression,
  { kind: "unary" | "binary" | "and" | "or" | "concatenation" | "comparison" | "conditional" }
>

function compileOperation(expression: Operation, compile: (part: Expression) => Evaluate): Evaluate {
  switch (expression.kind) {
    case "unary": {
      const operand = compile(expression.operand)
      if (expression.operator === "not") return (frame) => !isTrue(operand(frame))
      const isNegative = expression.operator === "-"
      return (frame) => signed(operand(frame), isNegative)
    }
    case "binary": {
      const { operator } = expression
      const [left, right] = [compile(expression.left), compile(expression.right)]
      return (frame) => binary(operator, left(frame), right(frame))
    }
    case "and":
    case "or": {
      const [left, right] = [compile(expression.left), compile(expression.right)]
      const goesOn = expression.kind === "and"
      return (frame) => {
        const value = left(frame)
        return isTrue(value) === goesOn ? right(frame) : value
      }
    }
    case "concatenation": {
      const parts = expression.parts.map(compile)
      return (frame) => parts.map((part) => textOf(part(frame))).join("")
    }
    case "comparison":
      return compileComparison(expression, compile)
    case "conditional": {
      const [test, value] = [compile(expression.test), compile(expression.value)]
      const otherwise = expression.otherwise === undefined ? noElse : compile(expression.otherwise)
      return (frame) => (isTrue(test(frame)) ? value(frame) : otherwise(frame))
    }
  }
}

const noElse = () => new Undefined("the inline if-expression evaluated to false and no else section was defined")

function signed(value: Value, isNegative: boolean): Value {
  if (value instanceof Undefined) return value.raise()
  const number = numberOf(value)
  if (number === undefined) throw new TemplateError(`bad operand type for a sign: '${typeName(value)}'`)
  return isNegative ? -number : number
}

/** a < b <= c is a chain, of which each operand is evaluated once. */
function compileComparison(
  { first, rest }: Extract<Expression, { kind: "comparison" }>,
  compile: (part: Expression) => Evaluate,
): Evaluate {
  const begin = compile(first)
  const links = rest.map(({ operator, operand }) => ({ holds: COMPARISONS[operator], operand: compile(operand) }))
  return (frame) => {
    let left = begin(frame)
    for (const { holds, operand } of links) {
      const right = operand(frame)
      if (!holds(left, right)) return false
      left = right
    }
    return true
  }
}

const COMPARISONS: Readonly<Record<CompareOperator, (a: Value, b: Value) => boolean>> = {
  "==": isEqual,
  "!=": (a, b) => !isEqual(a, b),
  "<": (a, b) => lessThan(a, b),
  "<=": isAtMost,
  ">": (a, b) => lessThan(b, a, ">"),
  ">=": (a, b) => isAtMost(b, a),
  in: (a, b) => contains(b, a),
  "not in": (a, b) => !contains(b, a),
}

/** Globals of jinja2 and names it gives a meaning inside macros and blocks. */
const REFUSED_NAMES = new Set(["lipsum", "cycler", "joiner", "self", "super"])

function compileName(name: string, symbols: Symbols): Evaluate {
  const slot = symbols.find(name)
  if (slot === undefined) throw new UnsupportedConstruct(`the name ${name} at this place`)
  if (REFUSED_NAMES.has(name) && isFromContext(slot, symbols)) throw new UnsupportedConstruct(name)
  const read = reader(slot, symbols)
  return (frame) => {
    const value = read(frame)
    return value === undefined ? new Undefined(`'${name}' is undefined`) : value
  }
}

function isFromContext(slot: Parameters<typeof reader>[0], symbols: Symbols | undefined): boolean {
  if (symbols === undefined) return false
  const load = symbols.loads.get(slot)
  return load === undefined ? isFromContext(slot, symbols.parent) : load.kind === "context"
}

interface Evaluated {
  readonly args: readonly Value[]
  readonly named: ReadonlyMap<string, Value>
}

const NO_NAMED: ReadonlyMap<string, Value> = new Map()

function compileArguments({ positional, named }: Arguments, symbols: Symbols): (frame: Frame) => Evaluated {
  const args = positional.map((each) => compileExpression(each, symbols))
  const pairs = named.map(([name, value]) => [name, compileExpression(value, symbols)] as const)
  return (frame) => ({
    args: args.map((each) => each(frame)),
    named: pairs.length === 0 ? NO_NAMED : new Map(pairs.map(([name, value]) => [name, value(frame)] as const)),
  })
}

function compileCall(target: Expression, args: Arguments, symbols: Symbols): Evaluate {
  if (target.kind === "attribute" && isMissingMethod(target.name)) {
    throw new UnsupportedConstruct(`the method ${target.name}`)
  }
  const callee = compileExpression(target, symbols)
  const given = compileArguments(args, symbols)
  return (frame) => {
    const called = callee(frame)
    const { args, named } = given(frame)
    if (called instanceof Callable) return called.call(args, named)
    if (called instanceof Undefined) return called.raise()
    throw new TemplateError(`'${typeName(called)}' object is not callable`)
  }
}

/** Of filters that look others up by name, the name must be written out. */
const BY_NAME: Readonly<Record<string, { readonly at: number; readonly table: Readonly<Record<string, unknown>> }>> = {
  map: { at: 0, table: FILTERS },
  select: { at: 0, table: TESTS },
  reject: { at: 0, table: TESTS },
  selectattr: { at: 1, table: TESTS },
  rejectattr: { at: 1, table: TESTS },
}

export function compileFilter(name: string, target: Evaluate, args: Arguments, symbols: Symbols): Evaluate {
  const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined
  if (filter === undefined) throw new UnsupportedConstruct(`the filter ${name}`)
  const byName = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined
  const other = byName && args.positional[byName.at]
  if (other !== undefined) {
    const chosen = other.kind === "constant" ? String(other.value) : "of a computed name"
    if (!Object.hasOwn(byName!.table, chosen)) throw new UnsupportedConstruct(`the filter ${name} with ${chosen}`)
  }
  const given = compileArguments(args, symbols)
  return (frame) => {
    const value = target(frame)
    const { args, named } = given(frame)
    return filter(value, args, named)
  }
}

function compileTest(name: string, target: Evaluate, args: Arguments, symbols: Symbols): Evaluate {
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined
  if (test === undefined) throw new UnsupportedConstruct(`the test ${name}`)
  const given = compileArguments(args, symbols)
  return (frame) => {
    const value = target(frame)
    const { args, named } = given(frame)
    return test(value, args, named)
  }
}
