// Where each name of a template lives. jinja2 settles this before rendering (its idtracking.py, followed here): a name that a
// scope assigns anywhere is that scope's own, and a loop's body starts each round with what the outer scope has.
import { type Expression, namesIn, type Statement, type Target } from "./nodes.ts"

/** A function of the compiled template (the root, a macro, a loop's filter) has its own variables; others reach them through it. */
export interface FunctionScope {
  readonly depth: number
  readonly slots: Map<string, Slot>
}

/** A variable: the function's depth, and its place among the function's variables. */
export interface Slot {
  readonly depth: number
  readonly index: number
}

/** What a variable holds when its scope is entered. */
export type Load =
  | { readonly kind: "parameter" | "missing" }
  | { readonly kind: "context"; readonly name: string }
  | { readonly kind: "outer"; readonly slot: Slot }

export class Symbols {
  readonly parent: Symbols | undefined
  readonly functionScope: FunctionScope
  readonly loads = new Map<Slot, Load>()
  private readonly level: number
  private readonly references = new Map<string, Slot>()
  private readonly stores = new Set<string>()

  constructor(
    parent: Symbols | undefined,
    functionScope: FunctionScope,
    level = parent === undefined ? 0 : parent.level + 1,
  ) {
    this.parent = parent
    this.functionScope = functionScope
    this.level = level
  }

  /** Where a name that was analysed lives, or undefined. */
  find(name: string): Slot | undefined {
    return this.references.get(name) ?? this.parent?.find(name)
  }

  private define(name: string, load: Load): void {
    const { slots, depth } = this.functionScope
    const key = `${this.level} ${name}`
    const slot = slots.get(key) ?? { depth, index: slots.size }
    slots.set(key, slot)
    this.references.set(name, slot)
    this.loads.set(slot, load)
  }

  declareParameter(name: string): void {
    this.stores.add(name)
    this.define(name, { kind: "parameter" })
  }

  read(expression: Expression): void {
    for (const name of namesIn(expression)) this.readName(name)
  }

  private readName(name: string): void {
    if (this.find(name) === undefined) this.define(name, { kind: "context", name })
  }

  private store(name: string): void {
    this.stores.add(name)
    if (this.references.has(name)) return
    const outer = this.parent?.find(name)
    this.define(name, outer === undefined ? { kind: "missing" } : { kind: "outer", slot: outer })
  }

  /** A loop's or with's target, as parameters. */
  declareTarget(target: Target): void {
    if (target.kind === "tuple") for (const item of target.items) this.declareTarget(item)
    else this.declareParameter(target.name)
  }

  private assign(target: Target): void {
    if (target.kind === "tuple") for (const item of target.items) this.assign(item)
    else if (target.kind === "namespace") this.readName(target.name)
    else this.store(target.name)
  }

  /** What the statements of this scope read and assign; bodies that are scopes of their own are left to them. */
  analyse(statements: readonly Statement[]): void {
    for (const statement of statements) this.analyseStatement(statement)
  }

  private analyseStatement(statement: Statement): void {
    switch (statement.kind) {
      case "output":
        for (const part of statement.parts) if (typeof part !== "string") this.read(part)
        return
      case "for":
        this.read(statement.iterable)
        return
      case "if":
        this.analyseIf(statement.branches, statement.otherwise)
        return
      case "set":
        this.read(statement.value)
        this.assign(statement.target)
        return
      case "set block":
        this.assign(statement.target)
        return
      case "with":
        for (const value of statement.values) this.read(value)
        return
      case "macro":
        this.store(statement.name)
        return
    }
  }

  private analyseIf(branches: Extract<Statement, { kind: "if" }>["branches"], otherwise: readonly Statement[]): void {
    const [first, ...rest] = branches
    this.read(first!.test)
    const bodies = [first!.body, undefined, otherwise].map((body) => {
      const copy = this.copy()
      if (body !== undefined) copy.analyse(body)
      // jinja2 keeps each elif as an if of its own, in one branch.
      else for (const branch of rest) copy.analyseIf([branch], [])
      return copy
    })
    this.join(bodies)
  }

  private copy(): Symbols {
    const copy = new Symbols(this.parent, this.functionScope, this.level)
    for (const [name, slot] of this.references) copy.references.set(name, slot)
    for (const [slot, load] of this.loads) copy.loads.set(slot, load)
    for (const name of this.stores) copy.stores.add(name)
    return copy
  }

  /** A name that only some branches assign begins as the outer scope or the context has it. */
  private join(branches: readonly Symbols[]): void {
    const counts = new Map<string, number>()
    for (const branch of branches) {
      for (const name of branch.stores) if (!this.stores.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    for (const branch of branches) {
      for (const [name, slot] of branch.references) this.references.set(name, slot)
      for (const [slot, load] of branch.loads) this.loads.set(slot, load)
      for (const name of branch.stores) this.stores.add(name)
    }
    for (const [name, count] of counts) {
      if (count === branches.length) continue
      const outer = this.parent?.find(name)
      this.loads.set(this.find(name)!, outer === undefined ? { kind: "context", name } : { kind: "outer", slot: outer })
    }
  }
}
