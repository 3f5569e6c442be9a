// What an OpenAI-compatible endpoint answered: its words, the verdict's log-probs where they were asked for, who answered, and what it took.
import { type VerdictLogProbs, verdictOfTokens } from "../alpaca-eval/annotation.ts"

export interface JudgeAnswer {
  /** As the endpoint says. */
  readonly model: string
  /** What the judge said; empty where a filter or a limit left nothing. */
  readonly text: string
  /** Where log-probs were asked for. */
  readonly verdict?: Omit<VerdictLogProbs, "isSwapped">
  readonly finishReason: string
  readonly tokens: { readonly prompt: number; readonly cached: number; readonly completion: number }
}

/** Why an answer is none: `malformed` may pass, the others are of the endpoint as it is set up. */
export type AnswerFault = "malformed" | "no-log-probs" | "another-model"

/** How far above 0 an engine's rounding may put a log-prob. */
const ROUNDING = 1e-3

type Json = { readonly [key: string]: Json } | readonly Json[] | string | number | boolean | null | undefined

const memberOf = (value: Json, key: string): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: Json })[key]
    : undefined

const countOf = (value: Json): number => (typeof value === "number" && value >= 0 ? value : 0)

/** A day at the end of a name: 2026-01-05, 20260105, 260105 or 0105. */
const DATED = /^-(?:\d{4}-\d{2}-\d{2}|\d{4}|\d{6}|\d{8})$/

const isSameModel = (model: string, judge: string): boolean =>
  model === judge || (model.startsWith(judge) && DATED.test(model.slice(judge.length)))

/** The answer in a response's JSON, asked of `judge`, in words or for log-probs; a dated name of the same model is that model. */
export function readJudgeAnswer(
  response: unknown,
  judge: string,
  askedFor: "log-probs" | "words" = "log-probs",
): JudgeAnswer | { readonly fault: AnswerFault } {
  const value = response as Json
  const model = memberOf(value, "model")
  const choices = memberOf(value, "choices")
  const choice = Array.isArray(choices) ? (choices[0] as Json) : undefined
  if (typeof model !== "string" || choice === undefined || choice === null) return { fault: "malformed" }
  if (!isSameModel(model, judge)) return { fault: "another-model" }
  const message = memberOf(choice, "message")
  const content = memberOf(message, "content")
  const usage = memberOf(value, "usage")
  const said = {
    model,
    text: typeof content === "string" ? content : "",
    finishReason: String(memberOf(choice, "finish_reason") ?? ""),
    tokens: {
      prompt: countOf(memberOf(usage, "prompt_tokens")),
      cached: countOf(memberOf(memberOf(usage, "prompt_tokens_details"), "cached_tokens")),
      completion: countOf(memberOf(usage, "completion_tokens")),
    },
  }
  if (askedFor === "words") return message === undefined || message === null ? { fault: "malformed" } : said
  const positions = memberOf(memberOf(choice, "logprobs"), "content")
  if (!Array.isArray(positions)) return { fault: "no-log-probs" }
  const likeliest = tokensOf(memberOf(positions[0] as Json, "top_logprobs"))
  if (likeliest === undefined) return { fault: positions.length === 0 ? "malformed" : "no-log-probs" }
  return { ...said, verdict: verdictOfTokens(likeliest) }
}

function tokensOf(list: Json): { readonly token: string; readonly logprob: number }[] | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined
  const tokens = (list as readonly Json[]).map((entry) => ({
    token: memberOf(entry, "token"),
    logprob: memberOf(entry, "logprob"),
  }))
  const isToken = (entry: { token: Json; logprob: Json }): entry is { token: string; logprob: number } =>
    typeof entry.token === "string" && typeof entry.logprob === "number" && entry.logprob <= ROUNDING
  if (!tokens.every(isToken)) return undefined
  return tokens.map(({ token, logprob }) => ({ token, logprob: Math.min(0, logprob) }))
}
