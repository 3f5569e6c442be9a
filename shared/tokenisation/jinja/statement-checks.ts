// What a for and a macro may not hold.
import { type ForLoop, insideOf, type Macro, namesIn, type Statement, type Target } from "./nodes.ts"
import { TemplateError, UnsupportedConstruct } from "./values.ts"

function* statementsIn(body: readonly Statement[]): Generator<Statement> {
  for (const statement of body) {
    yield statement
    for (const inner of insideOf(statement).bodies) yield* statementsIn(inner)
  }
}

/** Whether a name is read anywhere inside. */
export function reads(body: readonly Statement[], name: string): boolean {
  for (const statement of statementsIn(body)) {
    for (const expression of insideOf(statement).expressions)
      for (const read of namesIn(expression)) if (read === name) return true
  }
  return false
}

function names(target: Target): readonly string[] {
  if (target.kind === "tuple") return target.items.flatMap(names)
  return target.kind === "name" ? [target.name] : []
}

/** Throws TemplateError where a for's own variable would be assigned to. */
export function refuseStoresOfLoop(loop: ForLoop): void {
  for (const statement of statementsIn([loop])) {
    const targets = "target" in statement ? [statement.target] : "targets" in statement ? statement.targets : []
    const isParameter = statement.kind === "macro" && statement.parameters.some(({ name }) => name === "loop")
    if (targets.flatMap(names).includes("loop") || isParameter) {
      throw new TemplateError("loop cannot be assigned to inside of a for")
    }
  }
}

/** Throws UnsupportedConstruct for the variables that jinja2 gives to macros which read them. */
export function refuseSpecialParameters({ parameters, body }: Macro): void {
  for (const name of ["varargs", "kwargs", "caller"]) {
    const isParameter = parameters.some((parameter) => parameter.name === name)
    if (isParameter || reads(body, name)) throw new UnsupportedConstruct(`${name} of a macro`)
  }
}

const DEEPEST_LOOPS = 19
const DEEPEST_BLOCKS = 40

/** Throws UnsupportedConstruct near the depths at which Python refuses what jinja2 compiles: 20 loops, 100 indentations. */
export function refuseDeepNesting(body: readonly Statement[], loops = 0, blocks = 0): void {
  if (loops > DEEPEST_LOOPS) throw new UnsupportedConstruct(`nesting of over ${DEEPEST_LOOPS} loops`)
  if (blocks > DEEPEST_BLOCKS) throw new UnsupportedConstruct(`nesting of over ${DEEPEST_BLOCKS} blocks`)
  for (const statement of body) {
    const inside = loops + (statement.kind === "for" ? 1 : 0)
    for (const inner of insideOf(statement).bodies) if (inner.length > 0) refuseDeepNesting(inner, inside, blocks + 1)
  }
}
