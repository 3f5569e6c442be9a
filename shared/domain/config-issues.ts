// Words the Schema's issues of a configuration for the person who wrote it: in one line, each with what was written and what to write.
import { adviceOnKey, adviceOnValue } from "./names-elsewhere.ts"

const UNKNOWN_KEY = /^Expected no excess property at \["(.+)"\]$/
const WRONG_VALUE = /^(Expected .+) at (\["(\w+)"\].*)$/

/** Schema's issues ("Expected … at [path]", over lines) in one line. The known keys are listed where a key is known nowhere. */
export function describeIssues(issues: string, input: unknown, knownKeys: readonly string[]): string {
  const lines = issues
    .trim()
    .replaceAll(/\s*\n\s*at /g, " at ")
    .split(/\s*\n\s*/)
  const hasStranger = lines.some((line) => {
    const name = UNKNOWN_KEY.exec(line)?.[1]
    return name !== undefined && adviceOnKey(name, knownKeys) === undefined
  })
  const described = lines.map((line) => describeIssue(line, input, knownKeys)).join("; ")
  return hasStranger ? `${described}; known keys: ${knownKeys.join(", ")}` : described
}

function describeIssue(line: string, input: unknown, knownKeys: readonly string[]): string {
  const unknown = UNKNOWN_KEY.exec(line)?.[1]
  if (unknown !== undefined) {
    const advice = adviceOnKey(unknown, knownKeys)
    return `unknown key ["${unknown}"]${advice === undefined ? "" : ` (${advice})`}`
  }
  const [, expected, path, key] = WRONG_VALUE.exec(line) ?? []
  if (expected === undefined || key === undefined) return line
  const value = (input as Readonly<Record<string, unknown>>)[key]
  const allowed = [...expected.matchAll(/"([^"]+)"/g)].map(([, name]) => name)
  const advice = adviceOnValue(key, value, allowed)
  const written = isShort(value) && !expected.includes(", got ") ? `, got ${JSON.stringify(value)}` : ""
  return `${expected} at ${path}${written}${advice === undefined ? "" : ` (${advice})`}`
}

/** Texts, numbers and switches are repeated; lists and objects would fill the line. */
function isShort(value: unknown): boolean {
  return (typeof value === "string" && value.length <= 60) || typeof value === "boolean" || Number.isFinite(value)
}
