// The tables of the documentation that the methods' definitions say: options.md's options, training.md's methods, their names elsewhere,
// and the presets. Each stands between two comments of its page.
import {
  type AnyPreferenceMethod,
  allOptions,
  DEFAULT_METHOD,
  defaultsOf,
  definitions,
  isPreferenceMethod,
  methodNames,
  type OptionKey,
  ownersOf,
  preferenceDefinitionOf,
  preferenceDefinitions,
} from "#shared/methods/methods.ts"
import { type Accepted, type MethodOption, shownValue } from "#shared/methods/option.ts"
import { besidePairsConditions } from "#shared/methods/options.ts"
import { presets } from "#shared/methods/presets.ts"
import { markdownTable } from "./markdown-table.ts"
import { rangeTable } from "./range-table.ts"

/** By page and name of the table. */
export function methodTables(): Readonly<Record<string, Readonly<Record<string, string>>>> {
  return {
    "options.md": { "options of the methods": optionsTable(), "ranges of numbers": rangeTable() },
    "training.md": { "names of losses": elsewhereTable(), methods: methodsTable(), presets: presetsTable() },
  }
}

function optionsTable(): string {
  return markdownTable(
    ["key", "default", "meaning"],
    [
      ["`method`", `\`${DEFAULT_METHOD}\``, "one of [these](training.md#the-methods)"],
      ...allOptions.map((option) => [`\`${option.key}\``, defaultCell(option), meaningCell(option)]),
      ["`allowUnusualBeta`", "false", "accepts a β that belongs to the other reduction"],
    ],
  )
}

/** β's default is another for every kind of method. */
function defaultCell(option: MethodOption<OptionKey>): string {
  if (option.key === "beta") return "[by method](training.md#the-methods)"
  const { value, others } = defaultsOf(option)
  const exceptions = [...others].map(([other, methods]) => `${methods.map(code).join(", ")} ${shown(other)}`)
  return [shown(value), ...exceptions].join("; ")
}

function meaningCell({ key, about, accepts }: MethodOption<OptionKey>): string {
  const symbols = preferenceDefinitions.flatMap(({ name, beta }) => (beta.symbol ? `${beta.symbol} of ${name}` : []))
  const shared = besidePairsConditions[key as keyof typeof besidePairsConditions]
  const ofMethods = preferenceDefinitions.flatMap(({ name, conditions }) =>
    (conditions?.[key] ?? []).map((one) => `${ownersOf(key).length > 1 ? `${name}: ` : ""}${inWords(one)}`),
  )
  const conditions = shared === undefined ? ofMethods : shared.map(inWords)
  const range = rangeInWords(accepts)
  const meaning = range === undefined ? about : `${about} (${range})`
  const parts = [`${ownersInWords(key)}: ${meaning}`, ...(key === "beta" ? [symbols.join(", ")] : []), ...conditions]
  return parts.join("; ")
}

function inWords({ needs, insteadOf }: { readonly needs?: string; readonly insteadOf?: string }): string {
  return needs === undefined ? `not beside \`${insteadOf}\`` : `only with ${needs.replaceAll('"', "`")}`
}

/** The methods that read an option, or where those are many, the ones that do not. */
function ownersInWords(key: OptionKey): string {
  const owners: readonly string[] = ownersOf(key)
  const others = methodNames.filter((name) => !owners.includes(name))
  return owners.length <= others.length ? owners.join(", ") : `all but ${others.join(", ")}`
}

function rangeInWords(accepts: Accepted): string | undefined {
  if (accepts.kind === "switch") return undefined
  if (accepts.kind === "choice") return accepts.values.map(shown).join(", ")
  const { above, from, to, below } = accepts
  const least = above === undefined ? `${from}` : `above ${above}`
  return `${least} to ${below === undefined ? to : `below ${below}`}`
}

function methodsTable(): string {
  return markdownTable(
    [
      ...["method", "u, or the loss of a pair", "log-probs", "reward in the log", "β default (usual)", "reference"],
      ...["one factor", "reduces to", "source"],
    ],
    definitions.map(({ name, docs }) => {
      const preference = isPreferenceMethod(name) ? preferenceDefinitionOf(name) : undefined
      return [
        code(name),
        docs.formula,
        docs.logProbs ?? (typeof preference?.reduction === "string" ? `${preference.reduction}s` : "means or sums"),
        docs.reward,
        preference ? betaCell(preference) : "none",
        preference ? referenceCell(preference) : "no",
        preference && !preference.direction ? "no" : "yes",
        docs.reducesTo,
        docs.source,
      ]
    }),
  )
}

function betaCell({ beta }: AnyPreferenceMethod): string {
  return `${beta.symbol ? `${beta.symbol} ` : ""}${beta.default} (${beta.low}–${beta.high})`
}

function referenceCell({ reference, noReference }: AnyPreferenceMethod): string {
  const words = { none: "no", sums: "yes", tokens: "token by token", model: "the model itself" }
  return noReference ? `unless ${noReference.when}` : words[reference]
}

function elsewhereTable(): string {
  return markdownTable(
    ["there", "here", "defaults there → here; differences"],
    definitions.flatMap(({ elsewhere }) => elsewhere?.rows ?? []),
  )
}

function presetsTable(): string {
  return markdownTable(
    ["preset", "β", "γ/β", "α", "learningRate"],
    Object.entries(presets).map(([name, { beta, gammaBetaRatio, alpha, learningRate }]) => [
      code(name),
      ...[beta, gammaBetaRatio, alpha, learningRate].map(shownValue),
    ]),
  )
}

const code = (name: string) => `\`${name}\``

const shown = (value: unknown) => (typeof value === "string" ? code(value) : shownValue(value))
