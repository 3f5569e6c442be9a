// What a body of POST /v1/chat/completions or /v1/completions asks for. What would change the answer and is not computed here is refused by name.
import { randomInt } from "node:crypto"
import { checkSampling, type SamplingOptions } from "#gpu-runner/generation/sampling.ts"
import type { ChatTemplateOptions, Message } from "#shared/tokenisation/tokenisation.ts"
import { ApiError } from "./api-error.ts"
import { readMessages } from "./messages.ts"
import { invalid, RequestFields } from "./request-fields.ts"

export type PromptSource = string | readonly Message[] | Uint32Array

export interface CompletionRequest {
  readonly kind: "chat" | "text"
  readonly model: string
  /** One of a chat. */
  readonly prompts: readonly PromptSource[]
  readonly chatTemplateOptions: ChatTemplateOptions | undefined
  /** Answers to each prompt. */
  readonly count: number
  readonly sampling: SamplingOptions
  readonly seed: number
  /** Undefined for what is usual: the rest of the context for a chat. */
  readonly maxTokens: number | undefined
  readonly stops: readonly string[]
  /** So many of the likeliest tokens beside each that is said; undefined without log-probs. */
  readonly logProbs: number | undefined
  readonly isStreamed: boolean
  readonly includesUsage: boolean
}

const MOST_ANSWERS = 128
const MOST_PROMPTS = 128
const MOST_STOPS = 4
const MOST_STOP_LENGTH = 1024
const MOST_TOP_LOG_PROBS = 20
const MOST_SEED = Number.MAX_SAFE_INTEGER
/** Errors: ApiError. */
export function readCompletionRequest(kind: "chat" | "text", body: Uint8Array): CompletionRequest {
  const fields = new RequestFields(body)
  const request = {
    kind,
    model: fields.requiredText("model"),
    prompts: kind === "chat" ? [readMessages(fields.value("messages"))] : readPrompts(fields.value("prompt")),
    chatTemplateOptions: kind === "chat" ? templateOptions(fields.value("chat_template_kwargs")) : undefined,
    count: fields.integer("n", 1, MOST_ANSWERS) ?? 1,
    sampling: samplingOf(fields),
    seed: seedOf(fields),
    maxTokens: maxTokensOf(kind, fields),
    stops: stopsOf(fields.value("stop")),
    logProbs: kind === "chat" ? chatLogProbs(fields) : fields.integer("logprobs", 0, MOST_TOP_LOG_PROBS),
    isStreamed: fields.boolean("stream"),
    includesUsage: includesUsage(fields),
  }
  refuseOthers(kind, fields)
  fields.end()
  return request
}

function samplingOf(fields: RequestFields): SamplingOptions {
  const sampling = {
    temperature: fields.number("temperature", 0, Number.MAX_VALUE) ?? 1,
    topP: fields.number("top_p", 0, 1),
    // vLLM and others write "all" as 0 or −1.
    topK: fields.integer("top_k", -1, Number.MAX_SAFE_INTEGER) || undefined,
    minP: fields.number("min_p", 0, 1),
    repetitionPenalty: fields.number("repetition_penalty", 0, Number.MAX_VALUE),
  }
  const asked = sampling.topK === -1 ? { ...sampling, topK: undefined } : sampling
  try {
    checkSampling(asked)
  } catch (error) {
    const { message } = error as Error
    const param = message.slice(0, message.indexOf(" ")).replaceAll("-", "_")
    throw new ApiError("invalid_value", message.replace(/^[\w-]+/, param), { param })
  }
  return asked
}

/** Another one every time where none is given. */
function seedOf(fields: RequestFields): number {
  const seed = fields.integer("seed", -MOST_SEED, MOST_SEED)
  return seed ?? randomInt(2 ** 48 - 1)
}

function maxTokensOf(kind: CompletionRequest["kind"], fields: RequestFields): number | undefined {
  const plain = fields.integer("max_tokens", 1, Number.MAX_SAFE_INTEGER)
  if (kind === "text") return plain
  const newer = fields.integer("max_completion_tokens", 1, Number.MAX_SAFE_INTEGER)
  if (plain !== undefined && newer !== undefined && plain !== newer) {
    throw new ApiError("invalid_value", `max_tokens is ${plain} and max_completion_tokens ${newer}; give one of them`, {
      param: "max_tokens",
    })
  }
  return newer ?? plain
}

function stopsOf(value: unknown): readonly string[] {
  const stops = value === undefined ? [] : Array.isArray(value) ? value : [value]
  const isStop = (stop: unknown) => typeof stop === "string" && stop !== "" && stop.length <= MOST_STOP_LENGTH
  if (stops.length <= MOST_STOPS && stops.every(isStop)) return stops.map((stop: string) => stop.toWellFormed())
  throw invalid("stop", value, `a text of 1 to ${MOST_STOP_LENGTH} characters, or up to ${MOST_STOPS} of them`)
}

function chatLogProbs(fields: RequestFields): number | undefined {
  const isAsked = fields.boolean("logprobs")
  const top = fields.integer("top_logprobs", 0, MOST_TOP_LOG_PROBS)
  if (isAsked) return top ?? 0
  if (top) throw new ApiError("invalid_value", "top_logprobs needs logprobs: true", { param: "top_logprobs" })
  return undefined
}

function includesUsage(fields: RequestFields): boolean {
  const value = fields.value("stream_options")
  if (value === undefined) return false
  const wanted = 'an object such as {"include_usage": true}'
  if (typeof value !== "object" || Array.isArray(value)) throw invalid("stream_options", value, wanted)
  const { include_usage: isAsked = false, ...others } = value as Record<string, unknown>
  if (typeof isAsked === "boolean" && Object.keys(others).length === 0) return isAsked
  throw invalid("stream_options", value, wanted)
}

/** A text, a list of texts, token ids, or a list of lists of token ids. */
function readPrompts(value: unknown): readonly PromptSource[] {
  if (value === undefined) throw new ApiError("missing_parameter", "prompt is missing", { param: "prompt" })
  if (typeof value === "string") return [value]
  const wanted = `a text, token ids, or a list of up to ${MOST_PROMPTS} of either`
  if (!Array.isArray(value) || value.length === 0) throw invalid("prompt", value, wanted)
  if (areIds(value)) return [Uint32Array.from(value)]
  if (value.length > MOST_PROMPTS) throw invalid("prompt", `a list of ${value.length}`, wanted)
  return value.map((prompt: unknown) => {
    if (typeof prompt === "string") return prompt
    if (Array.isArray(prompt) && areIds(prompt)) return Uint32Array.from(prompt)
    throw invalid("prompt", prompt, wanted)
  })
}

function areIds(value: readonly unknown[]): boolean {
  return (
    value.length > 0 && value.every((id) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 32)
  )
}

/** Variables of the model's template, as vLLM takes them. */
function templateOptions(value: unknown): ChatTemplateOptions | undefined {
  if (value === undefined) return undefined
  const isOption = (option: unknown) => ["string", "number", "boolean"].includes(typeof option)
  if (typeof value === "object" && !Array.isArray(value) && Object.values(value as object).every(isOption)) {
    return value as ChatTemplateOptions
  }
  throw invalid("chat_template_kwargs", value, "an object of texts, numbers and booleans")
}

/** What clients send along and what changes nothing is taken; what would change the answer is not. */
function refuseOthers(kind: CompletionRequest["kind"], fields: RequestFields): void {
  for (const name of ["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"]) {
    fields.value(name)
  }
  for (const name of ["frequency_penalty", "presence_penalty"]) fields.only(name, [0], "use repetition_penalty")
  fields.only("logit_bias", [{}], "no logits are changed")
  if (kind === "text") {
    fields.only("echo", [false], "the log-probs of texts that are there come from yohaku score")
    fields.only("suffix", [""], "nothing is filled in between texts")
    fields.only("best_of", [1], "use n, and choose yourself")
    return
  }
  fields.only("response_format", [{ type: "text" }], "answers are text, not held to a schema")
  for (const name of ["tools", "functions"]) fields.only(name, [[]], "no tools are called")
  fields.only("tool_choice", ["none", "auto"], "no tools are called")
  fields.only("function_call", ["none", "auto"], "no functions are called")
  fields.only("parallel_tool_calls", [true, false], "no tools are called")
  fields.only("modalities", [["text"]], "answers are text")
  for (const name of ["audio", "prediction", "web_search_options", "reasoning_effort", "verbosity"]) {
    fields.only(name, [], "nothing here follows it")
  }
}
