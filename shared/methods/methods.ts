// What is asked of the methods' definitions: their names, their options with defaults, and what each reads. Nothing here names a method.
import type { Condition, PreferenceMethodDefinition, SharedOption } from "./define-method.ts"
import type { MethodOption, OptionValues } from "./option.ts"
import { besidePairs, besidePairsConditions, beta as betaOption } from "./options.ts"
import type { Reduction } from "./pair-log-probs.ts"
import { registry } from "./registry.ts"

type Definition = (typeof registry)[number]
type PreferenceDefinition = Exclude<Definition, { readonly rows: "responses" }>

export type Method = Definition["name"]
export type PreferenceMethod = PreferenceDefinition["name"]
type Option = PreferenceDefinition["options"][number] | SharedOption
export type OptionKey = Option["key"]

/** Every option of every method; `optionKeysOf` says which ones a method reads. */
export type MethodOptions = { readonly method: PreferenceMethod } & OptionValues<Option>

export type AnyPreferenceMethod = PreferenceMethodDefinition<
  PreferenceMethod,
  MethodOption<OptionKey>,
  OptionValues<Option>
>

const isPreference = (definition: Definition): definition is PreferenceDefinition => definition.rows !== "responses"

/** In the order of the registry; those on single responses, without a comparison, come last. */
export const preferenceDefinitions: readonly AnyPreferenceMethod[] = registry.filter(isPreference)
export const definitions = [...preferenceDefinitions, ...registry.filter((definition) => !isPreference(definition))]

export const preferenceMethods = preferenceDefinitions.map(({ name }) => name)
export const methodNames: readonly Method[] = definitions.map(({ name }) => name)

/** The method where none is chosen: the first. */
export const DEFAULT_METHOD = registry[0].name

const byName = new Map<Method, (typeof definitions)[number]>(definitions.map((one) => [one.name, one]))
const preferenceByName = new Map<Method, AnyPreferenceMethod>(preferenceDefinitions.map((one) => [one.name, one]))

/** The parts of a definition that every method has. */
export function definitionOf(method: Method): (typeof definitions)[number] {
  return byName.get(method)!
}

export function preferenceDefinitionOf(method: PreferenceMethod): AnyPreferenceMethod {
  return preferenceByName.get(method)!
}

export function isPreferenceMethod(method: Method): method is PreferenceMethod {
  return preferenceByName.has(method)
}

/** Every option once, as tables list them: β, what methods on pairs read of their own, what others do, and what stands beside pairs. */
export const allOptions: readonly MethodOption<OptionKey>[] = [
  ...new Set<MethodOption<OptionKey>>([
    betaOption,
    ...preferenceDefinitions.filter(({ rows }) => rows === "pairs").flatMap(({ options }) => options),
    ...preferenceDefinitions.flatMap(({ options }) => options),
    ...besidePairs,
  ]),
]

/** The options that a method reads, if others do not rule them out. */
export function optionsOf({ options, rows }: AnyPreferenceMethod): readonly MethodOption<OptionKey>[] {
  return [betaOption, ...options, ...(rows === "pairs" ? besidePairs : [])]
}

/** A method's options where none is given; also of the options that it does not read. */
export function methodDefaults(method: PreferenceMethod): MethodOptions {
  const { beta, defaults } = preferenceDefinitionOf(method)
  const own = Object.fromEntries(allOptions.map((option) => [option.key, option.default])) as OptionValues<Option>
  return { method, ...own, beta: beta.default, ...defaults }
}

/** An option's default, and the methods that have another, by value. */
export function defaultsOf({ key, default: value }: MethodOption<OptionKey>) {
  const others = new Map<unknown, PreferenceMethod[]>()
  for (const method of ownersOf(key)) {
    const own = methodDefaults(method)[key]
    if (own !== value) others.set(own, [...(others.get(own) ?? []), method])
  }
  return { value, others }
}

export type Choice = { readonly method: Method } & Partial<Omit<MethodOptions, "method">>

/** The options that a method reads, given its other options. */
export function optionKeysOf({ method, ...options }: Choice): readonly OptionKey[] {
  const definition = preferenceByName.get(method)
  if (definition === undefined) return []
  return optionsOf(definition)
    .map(({ key }) => key)
    .filter((key) => conditionsOf(definition, key).every(({ holds }) => holds(options)))
}

type Conditions = readonly Condition<OptionValues<Option>>[]

/** What else an option of a method depends on. */
function conditionsOf({ conditions }: AnyPreferenceMethod, key: OptionKey): Conditions {
  const shared: { readonly [Key in OptionKey]?: Conditions } = besidePairsConditions
  return conditions?.[key] ?? shared[key] ?? []
}

/** The methods that read an option, if others do not rule it out. */
export function ownersOf(key: OptionKey): readonly PreferenceMethod[] {
  return preferenceDefinitions
    .filter((one) => optionsOf(one).some((option) => option.key === key))
    .map(({ name }) => name)
}

/** Why a method does not read an option, as a sentence with its mend; undefined where it does. */
export function foreignOption(key: OptionKey, choice: Choice): string | undefined {
  if (optionKeysOf(choice).includes(key)) return undefined
  const { method, ...options } = choice
  const owners = ownersOf(key)
  const owner = preferenceDefinitions.find(({ name }) => name === method && owners.includes(name))
  const unmet = owner && conditionsOf(owner, key).find(({ holds }) => !holds(options))
  if (unmet !== undefined) {
    const { needs, insteadOf } = unmet
    return `${key} is not read ${needs === undefined ? `beside ${insteadOf}, which takes its place` : `without ${needs}`}; leave it out`
  }
  return `${key} does not belong to ${method} (it belongs to ${owners.join(", ")}); leave it out or change method`
}

/** β belongs to the other reduction: a mean-reduced method wants about 2 to 10, a summed one .01 to .1. */
export class UnusualBeta extends Error {
  readonly _tag = "UnusualBeta"
  constructor(method: PreferenceMethod, beta: number) {
    const { low, high } = preferenceDefinitionOf(method).beta
    super(
      `beta ${beta} does not belong to ${method}, which reduces log-probs by ${reductionOf(methodDefaults(method))} and wants about ${low} to ${high}; ` +
        "change beta or method, or set allowUnusualBeta",
    )
    this.name = "UnusualBeta"
  }
}

/** Throws UnusualBeta when β lies on the other reduction's side of √(.1·2) ≈ .447, or a τ of ipo or λ of orpo above √2. */
export function checkBeta(method: PreferenceMethod, beta: number): void {
  if (!preferenceDefinitionOf(method).beta.isUsual(beta)) throw new UnusualBeta(method, beta)
}

/** How a method with these options reduces log-probs. */
export function reductionOf(options: MethodOptions): Reduction {
  const { reduction } = preferenceDefinitionOf(options.method)
  return typeof reduction === "string" ? reduction : reduction(options)
}

/** Whether the loss (not only the log) reads reference log-probs. */
export function needsReference({
  method,
  ...options
}: { readonly method: PreferenceMethod } & { readonly [Key in OptionKey]?: MethodOptions[Key] | undefined }): boolean {
  const { reference, noReference } = preferenceDefinitionOf(method)
  return reference !== "none" && !noReference?.holds(options as Partial<MethodOptions>)
}

/** Whether the reference's log-probs are needed token by token, not only as sums. */
export function needsReferenceTokens({ method }: { readonly method: Method }): boolean {
  return preferenceByName.get(method)?.reference === "tokens"
}

/** Whether the reference model itself is needed at every step, for its whole distributions. */
export function needsReferenceModel({ method }: { readonly method: Method }): boolean {
  return preferenceByName.get(method)?.reference === "model"
}
