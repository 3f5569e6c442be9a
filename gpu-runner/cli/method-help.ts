// The methods' options as `train --help` lists them, with their defaults: those of several methods, and those of each alone.
import {
  allOptions,
  DEFAULT_METHOD,
  defaultsOf,
  definitions,
  type OptionKey,
  ownersOf,
  preferenceDefinitions,
} from "#shared/methods/methods.ts"
import { type MethodOption, shownValue } from "#shared/methods/option.ts"

const LABEL_WIDTH = 16
const LINE_WIDTH = 128

/** "α-DPO, SimPO, DPO and 7 more": the methods that compare pairs. */
export function pairMethodsInWords(): string {
  const titles = definitions.flatMap(({ rows, title }) => (rows === "pairs" ? title : []))
  return titles.length > 3 ? `${titles.slice(0, 3).join(", ")} and ${titles.length - 3} more` : titles.join(", ")
}

/** Lines of "  label   key (default), …". */
export function methodHelp(): string {
  const shared = allOptions.filter(({ key }) => ownersOf(key).length > 1)
  const own = preferenceDefinitions.flatMap(({ name, options }) => {
    const entries = options.filter((option) => !shared.includes(option)).map(entry)
    return entries.length === 0 ? [] : [row(name, entries)]
  })
  return [row("method", [`method (${DEFAULT_METHOD})`, ...shared.map(entry), "allowUnusualBeta (false)"]), ...own].join(
    "\n",
  )
}

/** "gammaBetaRatio (0.6; alphapo 0.04)", "dpoLoss (sigmoid; robust, hinge)". */
function entry(option: MethodOption<OptionKey>): string {
  const { value, others } = defaultsOf(option)
  const exceptions = [...others].map(([other, methods]) => `${methods.join(", ")} ${shownValue(other)}`)
  const { accepts } = option
  const choices = accepts.kind === "choice" ? [accepts.values.filter((choice) => choice !== value).join(", ")] : []
  return `${option.key} (${[shownValue(value), ...exceptions, ...choices].join("; ")})`
}

/** The entries after their label, over as many lines as they take. */
function row(label: string, entries: readonly string[]): string {
  const lines = [`  ${label}`.padEnd(LABEL_WIDTH)]
  entries.forEach((text, index) => {
    const part = index < entries.length - 1 ? `${text}, ` : text
    if (lines.at(-1)!.length + part.trimEnd().length > LINE_WIDTH) lines.push(" ".repeat(LABEL_WIDTH))
    lines.push(lines.pop()! + part)
  })
  return lines.map((line) => line.trimEnd()).join("\n")
}
