// The syntax tree of a template.
import type { BinaryOperator } from "./operators.ts"
import type { Value } from "./values.ts"

export interface Arguments {
  readonly positional: readonly Expression[]
  readonly named: readonly (readonly [name: string, value: Expression])[]
}

export type CompareOperator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in"

export type Expression =
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "tuple" | "list"; readonly items: readonly Expression[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "attribute"; readonly target: Expression; readonly name: string }
  | { readonly kind: "item"; readonly target: Expression; readonly index: Expression }
  | { readonly kind: "slice"; readonly target: Expression; readonly bounds: readonly (Expression | undefined)[] }
  | { readonly kind: "call"; readonly target: Expression; readonly args: Arguments }
  | { readonly kind: "filter" | "test"; readonly target: Expression; readonly name: string; readonly args: Arguments }
  | { readonly kind: "unary"; readonly operator: "not" | "+" | "-"; readonly operand: Expression }
  | {
      readonly kind: "binary"
      readonly operator: BinaryOperator
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "concatenation"; readonly parts: readonly Expression[] }
  | {
      readonly kind: "comparison"
      readonly first: Expression
      readonly rest: readonly { readonly operator: CompareOperator; readonly operand: Expression }[]
    }
  | {
      readonly kind: "conditional"
      readonly test: Expression
      readonly value: Expression
      readonly otherwise: Expression | undefined
    }

export type Target =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "tuple"; readonly items: readonly Target[] }
  | { readonly kind: "namespace"; readonly name: string; readonly attribute: string }

export interface Branch {
  readonly test: Expression
  readonly body: readonly Statement[]
}

export interface ForLoop {
  readonly kind: "for"
  readonly target: Target
  readonly iterable: Expression
  readonly test: Expression | undefined
  readonly body: readonly Statement[]
  readonly otherwise: readonly Statement[]
}

export interface Macro {
  readonly kind: "macro"
  readonly name: string
  readonly parameters: readonly { readonly name: string; readonly fallback: Expression | undefined }[]
  readonly body: readonly Statement[]
}

export type Statement =
  | { readonly kind: "output"; readonly parts: readonly (string | Expression)[] }
  | ForLoop
  | { readonly kind: "if"; readonly branches: readonly Branch[]; readonly otherwise: readonly Statement[] }
  | { readonly kind: "set"; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: "set block"
      readonly target: Target
      /** applied to the body's text, the innermost first */
      readonly filters: readonly { readonly name: string; readonly args: Arguments }[]
      readonly body: readonly Statement[]
    }
  | {
      readonly kind: "with"
      readonly targets: readonly Target[]
      readonly values: readonly Expression[]
      readonly body: readonly Statement[]
    }
  | Macro
  | { readonly kind: "generation"; readonly body: readonly Statement[] }
  | { readonly kind: "break" | "continue" }

/** The expressions directly inside an expression. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "constant":
    case "name":
      return []
    case "tuple":
    case "list":
      return expression.items
    case "dict":
      return expression.entries.flat()
    case "attribute":
      return [expression.target]
    case "item":
      return [expression.target, expression.index]
    case "slice":
      return [expression.target, ...expression.bounds.filter((bound) => bound !== undefined)]
    case "call":
    case "filter":
    case "test":
      return [expression.target, ...argumentsOf(expression.args)]
    case "unary":
      return [expression.operand]
    case "binary":
    case "and":
    case "or":
      return [expression.left, expression.right]
    case "concatenation":
      return expression.parts
    case "comparison":
      return [expression.first, ...expression.rest.map(({ operand }) => operand)]
    case "conditional":
      return [expression.test, expression.value, ...(expression.otherwise ? [expression.otherwise] : [])]
  }
}

export function argumentsOf({ positional, named }: Arguments): readonly Expression[] {
  return [...positional, ...named.map(([, value]) => value)]
}

/** The names that an expression reads. */
export function* namesIn(expression: Expression): Generator<string> {
  if (expression.kind === "name") yield expression.name
  for (const part of partsOf(expression)) yield* namesIn(part)
}

/** The expressions and bodies directly inside a statement. */
export function insideOf(statement: Statement): {
  readonly expressions: readonly Expression[]
  readonly bodies: readonly (readonly Statement[])[]
} {
  switch (statement.kind) {
    case "output":
      return { expressions: statement.parts.filter((part) => typeof part !== "string"), bodies: [] }
    case "for": {
      const { iterable, test, body, otherwise } = statement
      return { expressions: test ? [iterable, test] : [iterable], bodies: [body, otherwise] }
    }
    case "if": {
      const { branches, otherwise } = statement
      return { expressions: branches.map(({ test }) => test), bodies: [...branches.map(({ body }) => body), otherwise] }
    }
    case "set":
      return { expressions: [statement.value], bodies: [] }
    case "set block":
      return { expressions: statement.filters.flatMap(({ args }) => argumentsOf(args)), bodies: [statement.body] }
    case "with":
      return { expressions: statement.values, bodies: [statement.body] }
    case "macro": {
      const fallbacks = statement.parameters
        .map(({ fallback }) => fallback)
        .filter((fallback) => fallback !== undefined)
      return { expressions: fallbacks, bodies: [statement.body] }
    }
    case "generation":
      return { expressions: [], bodies: [statement.body] }
    case "break":
    case "continue":
      return { expressions: [], bodies: [] }
  }
}
