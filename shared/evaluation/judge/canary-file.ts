// Canaries of one's own: pairs whose better answer nobody of one's domain disputes, beside those that every suite has.
import { UnusableJudgements } from "../evaluation-error.ts"
import type { Canary } from "./canaries.ts"
import { parsedLines } from "./json-list.ts"

const SHAPE =
  '{"instruction", "good", "bad"} a canary, with "isProbe": true where the bad answer only talks to the judge'
/** Each is asked in two orders. */
const MOST = 100

/** Throws UnusableJudgements, whose message continues a sentence that begins with the file's name. */
export function readCanaries(bytes: Uint8Array): Canary[] {
  const lines = parsedLines(bytes, SHAPE)
  if (lines.length === 0 || lines.length > MOST) {
    throw new UnusableJudgements(`holds ${lines.length} canaries; give 1 to ${MOST}: ${SHAPE}`)
  }
  return lines.map((line, index) => {
    const { instruction, good, bad, isProbe = false } = (line ?? {}) as Readonly<Record<string, unknown>>
    const isText = (value: unknown): value is string => typeof value === "string" && value.trim() !== ""
    if (isText(instruction) && isText(good) && isText(bad) && good !== bad && typeof isProbe === "boolean") {
      return { instruction, good, bad, ...(isProbe && { isProbe }) }
    }
    throw new UnusableJudgements(
      `canary ${index + 1} does not say its instruction and two answers that differ; give ${SHAPE}`,
    )
  })
}
