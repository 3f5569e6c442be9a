// A suite of one's own: {"counts": "alpaca-eval-2", "prompts": "prompts.jsonl", …}, the options that make it one, by their names. Files are named from the
// folder that the suite is in; what stands on the command line goes before what stands in the file.
import path from "node:path"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { readJsonObject } from "#shared/formats/json-object.ts"
import { UsageError } from "../command.ts"
import { readNamed, type SuiteValues } from "./suite.ts"

const FILES = ["prompts", "baseline", "prompt", "canaries", "gamed", "difficulty", "baseline-style"]
const WORDS = ["verdict", "max-tokens", "least-judged", "regularisation", "control", "draws"]
const COUNTS = "counts"
const PARAMETERS = "parameters"
const KEYS = [COUNTS, ...FILES, ...WORDS, PARAMETERS]

const refuse = (message: string) => new UnusableJudgements(message)

/** The values with those of the file that --suite names, where it names one. Throws UsageError, UnusableJudgements. */
export function withSuiteFile<A extends SuiteValues & { readonly suite: string | undefined }>(values: A): A {
  const { suite } = values
  if (suite === undefined || !suite.endsWith(".json")) return values
  const fields = readNamed("suite", suite, readSuiteFile)
  const folder = path.dirname(suite)
  const own = Object.entries(fields).flatMap(([key, value]) => {
    if (key === COUNTS || values[key] !== undefined) return []
    // Options are words; --annotations take none of these.
    return [[key, FILES.includes(key) ? path.resolve(folder, value) : value]]
  })
  const unread = unreadBy(values)
  const read = own.filter(([key]) => !unread.includes(key!))
  return { ...values, ...Object.fromEntries(read), suite: fields[COUNTS]! }
}

/** What is asked in words. */
const IN_WORDS = ["prompt", "verdict", "max-tokens", PARAMETERS]

/** Verdicts that are there are only counted, a judge on this machine is shown no words, and canaries may be skipped. */
function unreadBy({ outputs, "judge-model": judgeModel, "skip-canaries": skips }: SuiteValues): readonly string[] {
  if (outputs === undefined) return ["prompts", "baseline", "canaries", ...IN_WORDS]
  return [...(skips ? ["canaries"] : []), ...(judgeModel === undefined ? [] : IN_WORDS)]
}

function readSuiteFile(bytes: Uint8Array): Readonly<Record<string, string>> {
  const notJson = `is no JSON object; give {"${COUNTS}": "alpaca-eval-2"} and options under their names`
  const repeatedKey = (key: string) => `holds "${key}" twice; keep one`
  const fields = readJsonObject(bytes, { notUtf8: notJson, notJson, notObject: notJson, repeatedKey }, refuse)
  const unknown = Object.keys(fields).find((key) => !KEYS.includes(key))
  if (unknown !== undefined) throw refuse(`has "${unknown}", which no suite says; it may say ${KEYS.join(", ")}`)
  const { [COUNTS]: counts } = fields
  if (typeof counts !== "string" || counts.endsWith(".json")) {
    throw refuse(
      `does not say by "${COUNTS}" how its verdicts are counted; give alpaca-eval-2, arena-hard-0.1 or arena-hard-2`,
    )
  }
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, wordOf(key, value)]))
}

/** As it would stand on the command line. */
function wordOf(key: string, value: unknown): string {
  if (key === PARAMETERS && typeof value === "object" && value !== null) return JSON.stringify(value)
  if (key !== PARAMETERS && (typeof value === "string" || typeof value === "number")) return `${value}`
  throw refuse(
    `says ${JSON.stringify(value)} of "${key}"; give ${key === PARAMETERS ? "an object" : "a text or a number"}`,
  )
}

/** Throws UsageError for a name that is neither a suite's nor a file's. */
export function refuseUnknownSuite(name: string | undefined, known: readonly string[]): void {
  if (name === undefined || known.includes(name)) return
  throw new UsageError(`--suite ${name} is unknown; use ${known.join(", ")}, or a FILE.json of your own`)
}
