// Arguments of filters, tests, methods and functions, bound to parameters as Python binds them.
import { type NamedValues, SafeText, TemplateError, typeName, UnsupportedConstruct, type Value } from "./values.ts"

/** The values of `parameters` in order; absent ones take the default, which undefined makes required. Throws TemplateError. */
export function bind(
  owner: string,
  parameters: readonly (readonly [name: string, fallback?: Value])[],
  args: readonly Value[],
  named: NamedValues,
): Value[] {
  if (args.length > parameters.length) {
    throw new TemplateError(`${owner} takes ${parameters.length} arguments, ${args.length} were given`)
  }
  for (const name of named.keys()) {
    const at = parameters.findIndex(([parameter]) => parameter === name)
    if (at < 0) throw new TemplateError(`${owner} got an unexpected keyword argument '${name}'`)
    if (at < args.length) throw new TemplateError(`${owner} got two values for '${name}'`)
  }
  return parameters.map(([name, fallback], index) => {
    const value = args[index] ?? (index < args.length ? null : (named.get(name) ?? (named.has(name) ? null : fallback)))
    if (value === undefined) throw new TemplateError(`${owner} is missing the argument '${name}'`)
    return value
  })
}

/** An index or count: an int or bool. */
export function integer(value: Value, owner: string): bigint {
  if (typeof value === "bigint") return value
  if (typeof value === "boolean") return value ? 1n : 0n
  throw new TemplateError(`${owner}: '${typeName(value)}' object cannot be interpreted as an integer`)
}

/** A str. */
export function text(value: Value, owner: string): string {
  if (typeof value === "string") return value
  if (value instanceof SafeText) throw new UnsupportedConstruct(`${owner} marked safe`)
  throw new TemplateError(`${owner} must be str, not ${typeName(value)}`)
}
