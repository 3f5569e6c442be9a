// What a command of the CLI is. Arguments are parsed by node:util's parseArgs: it is there, strict, and its errors are ours to word,
// so that the exit codes and the one-line errors of the contract hold without a framework between.
import { type ParseArgsConfig, parseArgs } from "node:util"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"

export interface OptionSpec {
  readonly type: "string" | "boolean"
  /** Shown in --help: what to put in place of the value. */
  readonly placeholder?: string
  readonly description: string
  readonly required?: boolean
  /** May be given several times: its value is a list, empty where it is not given. */
  readonly multiple?: boolean
  /** Of a list: words that stand alone are further values. */
  readonly takesWords?: boolean
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

export type OptionValues<Specs extends OptionSpecs> = {
  readonly [Name in keyof Specs]: Specs[Name]["type"] extends "boolean"
    ? boolean
    : Specs[Name]["multiple"] extends true
      ? readonly string[]
      : Specs[Name]["required"] extends true
        ? string
        : string | undefined
}

export interface Terminal {
  /** Results: stdout. */
  readonly print: (text: string) => void
  /** Progress and warnings: stderr. */
  readonly tell: (text: string) => void
  /** Prints a command's result: as one JSON object with --json, else as text. */
  readonly answer: (result: object, text: () => string) => void
  /** The whole command line as a shell takes it, for lineage. */
  readonly commandLine: string
}

export interface Command<Specs extends OptionSpecs = OptionSpecs> {
  readonly name: string
  readonly summary: string
  /** Further paragraphs of --help. */
  readonly details?: string
  /** Names of the words that may stand before the options, in order; they are values like the options. */
  readonly words?: readonly string[]
  readonly options: Specs
  /** Keys of the file that --config names, which users give as options. */
  readonly configKeys?: readonly string[]
  readonly run: (values: OptionValues<Specs>, terminal: Terminal) => Promise<void>
}

/** The command line cannot be understood: exit code 2. */
export class UsageError extends taggedError("UsageError") {}

/** The work was done and its result printed, and it is not what was wished. */
export class CommandFailed extends taggedError<"CommandFailed", { exitCode: number }>("CommandFailed") {
  constructor(message: string, exitCode: number) {
    super(message, { exitCode })
  }
}

/** Words as a POSIX shell takes them. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ")
}

/** Keeps the option names' types. */
export function defineCommand<const Specs extends OptionSpecs>(command: Command<Specs>): Command<Specs> {
  return command
}

const COMMON = {
  json: { type: "boolean", description: "print the result as one JSON object" },
  verbose: { type: "boolean", description: "say more, and print the stack of an error" },
  help: { type: "boolean", description: "print this text" },
} as const satisfies OptionSpecs

type OptionValue = string | boolean | readonly string[] | undefined

export interface ParsedCommand {
  readonly values: Readonly<Record<string, OptionValue>>
  readonly wantsHelp: boolean
}

/** `--port -1` as `--port=-1`: no option begins with a digit, and parseArgs would call the value ambiguous. */
export function withNegativeValues(argv: readonly string[]): string[] {
  const words: string[] = []
  for (const word of argv) {
    const last = words.at(-1)
    if (/^-\d/.test(word) && last !== undefined && /^--[^=]+$/.test(last)) words[words.length - 1] = `${last}=${word}`
    else words.push(word)
  }
  return words
}

/** Parses a command's arguments. Errors: UsageError. */
export function parseCommand(command: Command, argv: readonly string[]): ParsedCommand {
  const specs: OptionSpecs = { ...command.options, ...COMMON }
  const options: ParseArgsConfig["options"] = Object.fromEntries(
    Object.entries(specs).map(([name, { type, multiple = false }]) => [
      name,
      name === "help" ? { type, short: "h" } : { type, multiple },
    ]),
  )
  let values: Record<string, OptionValue>
  const { words = [] } = command
  const list = Object.keys(specs).find((name) => specs[name]!.takesWords)
  try {
    const parsed = parseArgs({
      args: withNegativeValues(argv),
      options,
      strict: true,
      allowPositionals: words.length > 0 || list !== undefined,
    })
    values = parsed.values as typeof values
    parsed.positionals.forEach((word, index) => {
      if (words[index] !== undefined) values[words[index]] = word
      else if (list !== undefined) values[list] = [...((values[list] as string[]) ?? []), word]
      else throw new UsageError(`${JSON.stringify(word)} is one word too many`)
    })
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(firstSentence(error) + mendOf(error, command))
  }
  const wantsHelp = values.help === true
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.type === "boolean") values[name] ??= false
    if (spec.required && values[name] === undefined && !wantsHelp) throw new UsageError(`--${name} is missing`)
    if (spec.multiple) values[name] ??= []
    const given = values[name]
    if (given === "" || (Array.isArray(given) && given.includes(""))) throw new UsageError(`--${name} is empty`)
  }
  return { values, wantsHelp }
}

/** What parseArgs says, without the advice for programmers that it appends. */
export function firstSentence(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split(". ")[0]!.split("\n")[0]!
}

/** What to write instead of a word or an option that the command does not take; empty where that is not known. */
function mendOf(error: unknown, { options, configKeys = [] }: Command): string {
  const { code, message } = error as { readonly code?: string; readonly message: string }
  const [, given = ""] = /'(?:--)?([^']+)'/.exec(message) ?? []
  if (code === "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL") return options.data ? `; give it as --data ${given}` : ""
  const key = given.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  const isKey = code === "ERR_PARSE_ARGS_UNKNOWN_OPTION" && configKeys.includes(key)
  return isKey ? `; ${key} is a key of the JSON file of --config FILE: {"${key}": …}` : ""
}

/** The text of `yohaku <command> --help`. */
export function helpOf({ name, summary, details, words = [], options }: Command): string {
  const specs: [string, OptionSpec][] = Object.entries({ ...options, ...COMMON })
  const left = ([option, spec]: [string, OptionSpec]) => `--${option}${spec.placeholder ? ` ${spec.placeholder}` : ""}`
  const width = Math.max(...specs.map((entry) => left(entry).length))
  const lines = specs.map((entry) => {
    const [, spec] = entry
    return `  ${left(entry).padEnd(width)}  ${spec.description}${spec.required ? " (required)" : ""}`
  })
  const required = specs.filter(([, spec]) => spec.required).map((entry) => left(entry))
  const usage = [
    "yohaku",
    name,
    ...words.map((word, index) => (index === 0 ? word.toUpperCase() : `[${word.toUpperCase()}]`)),
    ...required,
    ...(specs.length > required.length ? ["[options]"] : []),
  ].join(" ")
  return [summary, "", `usage: ${usage}`, "", ...lines, ...(details ? ["", details] : [])].join("\n")
}
