// Assignments: to names, to tuples of names, to a namespace's attributes, and of a macro's arguments to its parameters.
import { type Frame, reader } from "./frames.ts"
import type { Target } from "./nodes.ts"
import type { Symbols } from "./symbols.ts"
import { itemsOf, type NamedValues, Namespace, TemplateError, typeName, type Value } from "./values.ts"

export type Assign = (frame: Frame, value: Value) => void

export function compileTarget(target: Target, symbols: Symbols): Assign {
  if (target.kind === "tuple") return unpack(target.items.map((item) => compileTarget(item, symbols)))
  const slot = symbols.find(target.name)!
  if (target.kind === "name") {
    return (frame, value) => {
      frame.values[slot.index] = value
    }
  }
  const read = reader(slot, symbols)
  return (frame, value) => {
    const namespace = read(frame)
    if (!(namespace instanceof Namespace)) throw new TemplateError("cannot assign attribute on non-namespace object")
    namespace.attributes.set(target.attribute, value)
  }
}

function unpack(assigns: readonly Assign[]): Assign {
  return (frame, value) => {
    const items = itemsOf(value)
    if (items.length !== assigns.length) {
      throw new TemplateError(`${items.length} values of a ${typeName(value)} to unpack, expected ${assigns.length}`)
    }
    for (const [index, assign] of assigns.entries()) assign(frame, items[index]!)
  }
}

/** Gives a macro's parameters what it was called with. Throws TemplateError. */
export function fill(
  frame: Frame,
  parameters: readonly { readonly name: string; readonly index: number }[],
  args: readonly Value[],
  named: NamedValues,
  macro: string,
): void {
  if (args.length > parameters.length) {
    throw new TemplateError(`macro '${macro}' takes not more than ${parameters.length} argument(s)`)
  }
  for (const [at, value] of args.entries()) frame.values[parameters[at]!.index] = value
  for (const [name, value] of named) {
    const parameter = parameters.slice(args.length).find((each) => each.name === name)
    if (parameter === undefined) throw new TemplateError(`macro '${macro}' takes no keyword argument '${name}'`)
    frame.values[parameter.index] = value
  }
}
