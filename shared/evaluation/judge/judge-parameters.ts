// A protocol's parameters with those of one's own: for endpoints that call them otherwise or take others. What decides how an answer is read, and how many
// there are, is the protocol's; and an answer keeps a bound, since costs are bounded by it.
import { readJsonObject } from "#shared/formats/json-object.ts"
import { UnusableJudgements } from "../evaluation-error.ts"
import type { JudgeParameters } from "./judge-question.ts"

const FIXED = ["model", "messages", "logprobs", "top_logprobs", "n", "stream", "stream_options"]
const BOUNDS = ["max_completion_tokens", "max_tokens"] as const
const MAX_ANSWER_TOKENS = 1_000_000

const refuse = (message: string) => new UnusableJudgements(message)

/** A value of null takes a parameter away. Throws UnusableJudgements, whose message continues a sentence that begins with what was written. */
export function withOwnParameters(parameters: JudgeParameters, written: string): JudgeParameters {
  const notJson = "is no JSON object"
  const repeatedKey = (key: string) => `holds "${key}" twice; keep one`
  const own = readJsonObject(written, { notUtf8: notJson, notJson, notObject: notJson, repeatedKey }, refuse)
  const fixed = FIXED.find((key) => Object.hasOwn(own, key))
  if (fixed !== undefined) throw refuse(`sets ${fixed}, which is the protocol's; leave it away`)
  const all: Record<string, unknown> = { ...parameters, ...own }
  const kept: JudgeParameters = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null))
  const bounds = BOUNDS.flatMap((name) => (kept[name] === undefined ? [] : [{ name, value: kept[name] }]))
  if (bounds.length !== 1)
    throw refuse(`leaves ${bounds.length} bounds of an answer; say max_tokens or max_completion_tokens`)
  const [{ name, value }] = bounds as [(typeof bounds)[number]]
  if (Number.isSafeInteger(value) && value >= 1 && value <= MAX_ANSWER_TOKENS) return kept
  throw refuse(`sets ${name} to ${JSON.stringify(value)}; give a whole number from 1 to ${MAX_ANSWER_TOKENS}`)
}
