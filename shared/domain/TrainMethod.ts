// The configuration's keys of the method: its name and its options. They are part of TrainConfig. Fields, defaults and ranges are those of
// the methods' definitions (shared/methods); here is their schema, and what is refused: a key that the chosen method would ignore.
import { Schema } from "effect"
import {
  allOptions,
  checkBeta,
  DEFAULT_METHOD,
  foreignOption,
  isPreferenceMethod,
  type MethodOptions,
  methodDefaults,
  methodNames,
  type OptionKey,
  optionKeysOf,
  UnusualBeta,
} from "#shared/methods/methods.ts"
import type { Accepted } from "#shared/methods/option.ts"

const key = Schema.optionalKey

export const TrainMethod = Schema.Literals(methodNames)
export type TrainMethod = typeof TrainMethod.Type

type OptionFields = { readonly [Key in OptionKey]: Schema.optionalKey<Schema.Codec<NonNullable<MethodOptions[Key]>>> }

const optionFields = Object.fromEntries(
  allOptions.map((option) => [option.key, key(schemaOf(option.accepts))]),
) as unknown as OptionFields

export const trainMethodFields = {
  /** alpha-dpo */
  method: key(TrainMethod),
  ...optionFields,
  /** Accepts a β that belongs to the other reduction; false */
  allowUnusualBeta: key(Schema.Boolean),
}

function schemaOf(accepts: Accepted): Schema.Codec<number> | Schema.Codec<string | number> | Schema.Codec<boolean> {
  if (accepts.kind === "switch") return Schema.Boolean
  if (accepts.kind === "choice") return Schema.Literals(accepts.values)
  const { above, from, to, below } = accepts
  const numbers = accepts.kind === "integer" ? Schema.Int : Schema.Finite
  return numbers.check(
    Schema.isBetween({
      minimum: (above ?? from)!,
      maximum: (to ?? below)!,
      exclusiveMinimum: above !== undefined,
      exclusiveMaximum: below !== undefined,
    }),
  )
}

const inputSchema = Schema.Struct(trainMethodFields)
export type TrainMethodInput = typeof inputSchema.Type
export type { OptionKey }

const OPTION_KEYS = allOptions.map((option) => option.key)
const isOptionKey = (name: string): name is OptionKey => (OPTION_KEYS as readonly string[]).includes(name)
const isMethod = Schema.is(TrainMethod)

/** The method, and the defaults of the options that it reads. */
export function resolveTrainMethod(
  input: TrainMethodInput,
): Required<Pick<TrainMethodInput, "method" | "allowUnusualBeta">> & Pick<TrainMethodInput, OptionKey> {
  const { method = DEFAULT_METHOD } = input
  const resolved = { method, allowUnusualBeta: false }
  if (!isPreferenceMethod(method)) return resolved
  const defaults = methodDefaults(method)
  return {
    ...resolved,
    ...Object.fromEntries(
      optionKeysOf({ ...input, method }).flatMap((name) =>
        defaults[name] === undefined ? [] : [[name, defaults[name]]],
      ),
    ),
  }
}

/** What is wrong with written keys: one that the method does not read, or a β of the other reduction; undefined where nothing is. */
export function trainMethodFault(input: TrainMethodInput): string | undefined {
  const { method = DEFAULT_METHOD, beta, allowUnusualBeta } = input
  const foreign = OPTION_KEYS.flatMap((name) =>
    name in input ? (foreignOption(name, { ...input, method }) ?? []) : [],
  )
  if (foreign.length > 0) return foreign.join("; ")
  if (!isPreferenceMethod(method) || beta === undefined || allowUnusualBeta) return undefined
  try {
    checkBeta(method, beta)
    return undefined
  } catch (error) {
    if (!(error instanceof UnusualBeta)) throw error
    return error.message
  }
}

/**
 * `input` over a base (a preset, a dataset's configuration), key by key. Options that the base's own choice of method reads and the new
 * choice does not fall away; everything written in `input` stays, to be judged.
 */
export function overridden(base: Readonly<Record<string, unknown>>, input: unknown): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input
  const merged: Readonly<Record<string, unknown>> = { ...base, ...input }
  const isForeign = (name: OptionKey, of: Readonly<Record<string, unknown>>) => {
    const { method = DEFAULT_METHOD } = of
    return isMethod(method) && foreignOption(name, { ...of, method }) !== undefined
  }
  const fallsAway = (name: string) =>
    !(name in input) && isOptionKey(name) && isForeign(name, merged) && !isForeign(name, base)
  return Object.fromEntries(Object.entries(merged).filter(([name]) => !fallsAway(name)))
}
