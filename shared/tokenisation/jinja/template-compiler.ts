// Statements to functions of the running template.
import { type Assign, compileTarget, fill } from "./assignment.ts"
import { compileExpression, compileFilter } from "./expression-compiler.ts"
import { type Ending, type Evaluate, type Execute, entry, exit, type Frame } from "./frames.ts"
import { Loop } from "./loop.ts"
import type { Expression, ForLoop, Macro, Statement, Target } from "./nodes.ts"
import { textOf } from "./python-text.ts"
import { reads, refuseDeepNesting, refuseSpecialParameters, refuseStoresOfLoop } from "./statement-checks.ts"
import { type FunctionScope, Symbols } from "./symbols.ts"
import {
  Callable,
  Iteration,
  isTrue,
  iterate,
  lengthOf,
  TemplateError,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

/** Python ends a recursion of about 200 macros. */
const DEEPEST = 150

/** A whole template, run with its context. */
export function compileTemplate(statements: readonly Statement[]): (context: ReadonlyMap<string, Value>) => string {
  refuseDeepNesting(statements)
  const scope: FunctionScope = { depth: 0, slots: new Map() }
  const symbols = new Symbols(undefined, scope)
  symbols.analyse(statements)
  const body = new StatementCompiler(symbols, false).compileBody(statements)
  const enter = entry(symbols)
  return (context) => {
    const frame: Frame = { values: new Array(scope.slots.size), parent: undefined, run: { context, depth: 0 } }
    const output: string[] = []
    enter(frame)
    body(frame, output)
    return output.join("")
  }
}

class StatementCompiler {
  private readonly symbols: Symbols
  /** whether break and continue have a loop in this function */
  private readonly isInLoop: boolean

  constructor(symbols: Symbols, isInLoop: boolean) {
    this.symbols = symbols
    this.isInLoop = isInLoop
  }

  compileBody(statements: readonly Statement[]): Execute {
    const steps = statements.map((statement) => this.compileStatement(statement))
    return (frame, output) => {
      for (const step of steps) {
        const ending = step(frame, output)
        if (ending !== "done") return ending
      }
      return "done"
    }
  }

  private compileStatement(statement: Statement): Execute {
    switch (statement.kind) {
      case "output":
        return this.compileOutput(statement.parts)
      case "for":
        return this.compileFor(statement)
      case "if":
        return this.compileIf(statement)
      case "set": {
        const value = this.expression(statement.value)
        const assign = this.target(statement.target)
        return silent((frame) => assign(frame, value(frame)))
      }
      case "set block":
        return this.compileSetBlock(statement)
      case "with":
        return this.compileWith(statement)
      case "macro": {
        const make = this.compileMacro(statement)
        const assign = this.target({ kind: "name", name: statement.name })
        return silent((frame) => assign(frame, make(frame)))
      }
      case "generation": {
        const make = this.compileMacro({ kind: "macro", name: "caller", parameters: [], body: statement.body })
        return (frame, output) => {
          output.push(textOf(make(frame).call([], new Map())))
          return "done"
        }
      }
      case "break":
      case "continue": {
        if (!this.isInLoop) throw new TemplateError(`${statement.kind} outside of a loop, or in a block within one`)
        const ending: Ending = statement.kind
        return () => ending
      }
    }
  }

  private expression(expression: Expression): Evaluate {
    return compileExpression(expression, this.symbols)
  }

  private inner(functionScope = this.symbols.functionScope): Symbols {
    return new Symbols(this.symbols, functionScope)
  }

  private compileOutput(parts: readonly (string | Expression)[]): Execute {
    const writes = parts.map((part) => {
      if (typeof part === "string") return () => part
      const value = this.expression(part)
      return (frame: Frame) => textOf(value(frame))
    })
    return (frame, output) => {
      for (const write of writes) output.push(write(frame))
      return "done"
    }
  }

  private compileIf({ branches, otherwise }: Extract<Statement, { kind: "if" }>): Execute {
    const compiled = branches.map(({ test, body }) => ({ test: this.expression(test), body: this.compileBody(body) }))
    const last = this.compileBody(otherwise)
    return (frame, output) => {
      for (const { test, body } of compiled) if (isTrue(test(frame))) return body(frame, output)
      return last(frame, output)
    }
  }

  private target(target: Target, symbols = this.symbols): Assign {
    return compileTarget(target, symbols)
  }

  private compileSetBlock(statement: Extract<Statement, { kind: "set block" }>): Execute {
    const symbols = this.inner()
    symbols.analyse(statement.body)
    const body = new StatementCompiler(symbols, this.isInLoop).compileBody(statement.body)
    const [enter, leave] = [entry(symbols), exit(symbols)]
    let captured = ""
    let value: Evaluate = () => captured
    for (const { name, args } of statement.filters) value = compileFilter(name, value, args, symbols)
    const assign = this.target(statement.target)
    return (frame) => {
      enter(frame)
      const output: string[] = []
      const ending = body(frame, output)
      if (ending !== "done") return ending
      captured = output.join("")
      assign(frame, value(frame))
      leave(frame)
      return "done"
    }
  }

  private compileWith({ targets, values, body }: Extract<Statement, { kind: "with" }>): Execute {
    const symbols = this.inner()
    for (const target of targets) symbols.declareTarget(target)
    symbols.analyse(body)
    const assigns = targets.map((target, index) => ({
      assign: this.target(target, symbols),
      value: this.expression(values[index]!),
    }))
    const inside = new StatementCompiler(symbols, this.isInLoop).compileBody(body)
    const [enter, leave] = [entry(symbols), exit(symbols)]
    return (frame, output) => {
      enter(frame)
      for (const { assign, value } of assigns) assign(frame, value(frame))
      const ending = inside(frame, output)
      if (ending === "done") leave(frame)
      return ending
    }
  }

  private compileFor(loop: ForLoop): Execute {
    refuseStoresOfLoop(loop)
    const symbols = this.inner()
    const hasLoopVariable = reads(loop.body, "loop")
    if (hasLoopVariable) symbols.declareParameter("loop")
    symbols.declareTarget(loop.target)
    symbols.analyse(loop.body)
    const elseSymbols = this.inner()
    elseSymbols.analyse(loop.otherwise)
    const iterable = this.expression(loop.iterable)
    const filtered = loop.test === undefined ? undefined : this.compileLoopFilter(loop.target, loop.test)
    const assign = this.target(loop.target, symbols)
    const body = new StatementCompiler(symbols, true).compileBody(loop.body)
    const otherwise = new StatementCompiler(elseSymbols, this.isInLoop).compileBody(loop.otherwise)
    const loopIndex = hasLoopVariable ? symbols.find("loop")!.index : undefined
    const [enter, leave, enterElse, leaveElse] = [entry(symbols), exit(symbols), entry(elseSymbols), exit(elseSymbols)]
    return (frame, output) => {
      const given = iterable(frame)
      const items = filtered === undefined ? given : filtered(frame, given)
      const round = new Loop(items, loopIndex === undefined ? 0 : lengthOf(items))
      // jinja2 runs else where no round came to its end, be it for break or continue.
      let isComplete = false
      for (let value = round.next(); value !== undefined; value = round.next()) {
        assign(frame, value)
        if (loopIndex !== undefined) frame.values[loopIndex] = round
        enter(frame)
        const ending = body(frame, output)
        if (ending === "break") break
        if (ending === "done") isComplete = true
      }
      leave(frame)
      if (isComplete) return "done"
      enterElse(frame)
      const ending = otherwise(frame, output)
      leaveElse(frame)
      return ending
    }
  }

  /** for x in y if test: a function of its own, which runs as the loop asks for items. */
  private compileLoopFilter(target: Target, test: Expression): (frame: Frame, items: Value) => Iteration {
    const scope = this.innerFunction()
    const symbols = this.inner(scope)
    symbols.declareTarget(target)
    symbols.read(test)
    const assign = this.target(target, symbols)
    const holds = compileExpression(test, symbols)
    const enter = entry(symbols)
    return (outer, items) => {
      const source = iterate(items)
      const generate = function* () {
        const frame: Frame = { values: new Array(scope.slots.size), parent: outer, run: outer.run }
        enter(frame)
        for (const item of source) {
          assign(frame, item)
          if (isTrue(holds(frame))) yield item
        }
      }
      return new Iteration(generate())
    }
  }

  private innerFunction(): FunctionScope {
    return { depth: this.symbols.functionScope.depth + 1, slots: new Map() }
  }

  private compileMacro(macro: Macro): (frame: Frame) => Callable {
    refuseSpecialParameters(macro)
    const scope = this.innerFunction()
    const symbols = this.inner(scope)
    for (const { name } of macro.parameters) symbols.declareParameter(name)
    for (const { fallback } of macro.parameters) if (fallback !== undefined) symbols.read(fallback)
    symbols.analyse(macro.body)
    const parameters = macro.parameters.map(({ name, fallback }) => ({
      name,
      index: symbols.find(name)!.index,
      fallback:
        fallback === undefined
          ? () => new Undefined(`parameter '${name}' was not provided`)
          : compileExpression(fallback, symbols),
    }))
    const body = new StatementCompiler(symbols, false).compileBody(macro.body)
    const enter = entry(symbols)
    return (outer) =>
      new Callable(macro.name, "macro", (args, named) => {
        const frame: Frame = { values: new Array(scope.slots.size), parent: outer, run: outer.run }
        const { run } = outer
        if (++run.depth > DEEPEST) throw new UnsupportedConstruct(`a recursion of over ${DEEPEST} macros`)
        fill(frame, parameters, args, named, macro.name)
        enter(frame)
        for (const { index, fallback } of parameters)
          if (frame.values[index] === undefined) frame.values[index] = fallback(frame)
        const output: string[] = []
        body(frame, output)
        // An error ends the whole rendering, so that nobody counts after one.
        run.depth--
        return output.join("")
      })
  }
}

function silent(run: (frame: Frame) => void): Execute {
  return (frame) => {
    run(frame)
    return "done"
  }
}
