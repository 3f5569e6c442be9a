// What an option of a method is: its key, what it accepts, its default, and its words for the documentation. The configuration's schema,
// the help and docs/options.md are derived from it. Options of several methods are in options.ts, others in their method's own file.

type Least = { readonly above: number; readonly from?: never } | { readonly from: number; readonly above?: never }
type Most = { readonly below: number; readonly to?: never } | { readonly to: number; readonly below?: never }

/** Both ends of a range: what a person could mean lies well inside. `above` and `below` exclude their bound, `from` and `to` include it. */
type Range = Least & Most

/** What an option takes. */
export type Accepted =
  | ({ readonly kind: "number" | "integer" } & Range)
  | { readonly kind: "choice"; readonly values: readonly (string | number)[] }
  | { readonly kind: "switch" }

/** What TRL and others call an option, for whoever brings a configuration from there. */
export interface OptionElsewhere {
  /** Keys that differ from this option's by their name alone. */
  readonly renamed?: readonly string[]
  /** Keys without a counterpart of their own, and what does it here. */
  readonly advice?: Readonly<Record<string, string>>
}

export interface MethodOption<Key extends string = string, Value = unknown> {
  readonly key: Key
  readonly accepts: Accepted
  /** Undefined: there is none, and what it decides is not done. */
  readonly default: Value
  /** The meaning, as docs/options.md has it. */
  readonly about: string
  readonly elsewhere?: OptionElsewhere
}

/** The values of options, by their keys. */
export type OptionValues<Option extends MethodOption> = {
  readonly [One in Option as One["key"]]: One["default"]
}

type Words = Pick<MethodOption, "about" | "elsewhere">

export function numberOption<const Key extends string>(
  key: Key,
  { default: value, about, elsewhere, ...range }: Words & Range & { readonly default: number },
): MethodOption<Key, number> {
  return option(key, { kind: "number", ...range }, value, { about, elsewhere })
}

/** A number that is given or not: without it what it decides is not done. */
export function givenNumberOption<const Key extends string>(
  key: Key,
  { about, elsewhere, ...range }: Words & Range,
): MethodOption<Key, number | undefined> {
  return option(key, { kind: "number", ...range }, undefined, { about, elsewhere })
}

export function integerOption<const Key extends string>(
  key: Key,
  { default: value, about, elsewhere, ...range }: Words & Range & { readonly default: number },
): MethodOption<Key, number> {
  return option(key, { kind: "integer", ...range }, value, { about, elsewhere })
}

export function choiceOption<const Key extends string, const Value extends string | number>(
  key: Key,
  { default: value, values, ...words }: Words & { readonly values: readonly Value[]; readonly default: NoInfer<Value> },
): MethodOption<Key, Value> {
  return option(key, { kind: "choice", values }, value, words)
}

export function switchOption<const Key extends string>(
  key: Key,
  { default: value, ...words }: Words & { readonly default: boolean },
): MethodOption<Key, boolean> {
  return option(key, { kind: "switch" }, value, words)
}

function option<Key extends string, Value>(
  key: Key,
  accepts: Accepted,
  value: Value,
  { about, elsewhere }: { readonly about: string; readonly elsewhere?: OptionElsewhere | undefined },
): MethodOption<Key, Value> {
  return { key, accepts, default: value, about, ...(elsewhere === undefined ? {} : { elsewhere }) }
}

/** A value as help and tables write it: "1e-3" and "0.04". */
export function shownValue(value: unknown): string {
  if (value === undefined) return "none"
  return typeof value === "number" && value !== 0 && Math.abs(value) < 0.01 ? value.toExponential() : String(value)
}
