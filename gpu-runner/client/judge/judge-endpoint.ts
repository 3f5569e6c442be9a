// One question to an OpenAI-compatible endpoint over HTTP: patient where waiting helps, and clear where it does not.
import { causeInWords } from "#gpu-runner/data/network-cause.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import { type JudgeAnswer, readJudgeAnswer } from "#shared/evaluation/judge/judge-answer.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { boundedText } from "./bounded-text.ts"
import { type KeyMask, keyMask, TooDeep } from "./mask-key.ts"

export interface JudgeEndpoint {
  /** Without a slash at the end, up to /v1. */
  readonly url: string
  readonly judge: string
  readonly apiKey: string | undefined
  readonly timeoutMs?: number
  /** Longer answers are none; without it, 1 MiB. */
  readonly mostAnswerCharacters?: number
  /** What its settings are called where they are made; without it, the command line's options. */
  readonly settings?: JudgeSettingNames
}

export interface JudgeSettingNames {
  readonly url: string
  readonly judge: string
  /** How answers in words are asked for. */
  readonly inWords: string
}

const OPTIONS: JudgeSettingNames = { url: "--url", judge: "--judge", inWords: "--verdict text" }

/** The endpoint as it is set up cannot judge; every question would meet the same. `isOfKey`: with another key it may. */
export class JudgeUnusable extends taggedError<"JudgeUnusable", { isOfKey: boolean }>("JudgeUnusable") {}

/** What one request came to. */
export type RequestOutcome =
  | { readonly kind: "answered"; readonly answer: JudgeAnswer; readonly response: unknown }
  | NoAnswer

export interface NoAnswer {
  /** `refused`: this question would not be answered if it were asked again. `failed`: it may be. `unusable`: no question will be. */
  readonly kind: "refused" | "failed" | "unusable"
  readonly reason: string
  /** How long the endpoint asks to wait. */
  readonly waitMs?: number | undefined
  /** Of what is unusable: with another key it may do. */
  readonly isOfKey?: boolean
  /** The endpoint found fault with the request itself, which none bills. */
  readonly isFree: boolean
  /** The endpoint never had the request (`unsent`), or turned it away unread, as too soon. */
  readonly isUnheard?: "unsent" | "too-soon"
  /** What came, where something did. */
  readonly response?: unknown
}

const TIMEOUT_MS = 120_000
/** Of a question with an answer that is too long, or that a filter holds back. */
const REFUSED_STATUSES = [400, 413, 422]
const PASSING_STATUSES = [408, 409, 425, 429]
const MAX_SHOWN = 300
const MOST_ANSWER_CHARACTERS = 1024 * 1024

/** Sends a question once. Nothing of what comes back holds the key, whatever the endpoint says. */
export async function askOnce(
  endpoint: JudgeEndpoint,
  { body }: JudgeQuestion,
  signal: AbortSignal,
): Promise<RequestOutcome> {
  const { url, apiKey, timeoutMs = TIMEOUT_MS, mostAnswerCharacters: most = MOST_ANSWER_CHARACTERS } = endpoint
  const mask = keyMask(apiKey)
  let response: Response
  let read: { readonly text: string; readonly isWhole: boolean }
  try {
    response = await fetch(`${url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}) },
      body: JSON.stringify(body),
      // Prompts go to the address that was told, and every request is counted.
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    read = await boundedText(response, most)
  } catch (error) {
    signal.throwIfAborted()
    return ofBrokenCall(error, endpoint, mask)
  }
  const text = mask.text(read.text)
  if (!read.isWhole) {
    const reason = `an answer of more than ${most} characters`
    return { kind: "failed", reason, isFree: false, response: text.slice(0, MAX_SHOWN) }
  }
  const json = parsed(read.text, mask)
  if (json instanceof TooDeep)
    return { kind: "failed", reason: json.message, isFree: false, response: text.slice(0, MAX_SHOWN) }
  if (!response.ok) return ofStatus(response, json ?? text, endpoint, mask)
  if (json === undefined) return { kind: "failed", reason: "an answer that is no JSON", isFree: false, response: text }
  return ofAnswer(json, endpoint, body.logprobs === true ? "log-probs" : "words")
}

function ofBrokenCall(error: unknown, { url }: JudgeEndpoint, mask: KeyMask): NoAnswer {
  const words = mask.text(causeInWords(error))
  if (!isUnsent(error)) return { kind: "failed", reason: `no whole answer: ${words}`, isFree: false }
  return { kind: "failed", reason: `${url} cannot be reached: ${words}`, isFree: true, isUnheard: "unsent" }
}

/** Faults before a connection stood. */
const UNSENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"]

const isUnsent = (error: unknown): boolean => {
  const { code, cause, errors = [] } = (error ?? {}) as NodeJS.ErrnoException & { readonly errors?: unknown[] }
  const isEarly = UNSENT.includes(code ?? "") || /CERT|^ERR_(TLS|SSL)_|^UNABLE_TO_/.test(code ?? "")
  return isEarly || [cause, ...errors].some((inner) => inner !== undefined && isUnsent(inner))
}

function ofAnswer(
  json: unknown,
  { judge, settings = OPTIONS }: JudgeEndpoint,
  askedFor: "log-probs" | "words",
): RequestOutcome {
  const answer = readJudgeAnswer(json, judge, askedFor)
  if (!("fault" in answer)) return { kind: "answered", answer, response: json }
  if (answer.fault === "malformed") {
    return { kind: "failed", reason: "an answer without a choice", isFree: false, response: json }
  }
  const reason =
    answer.fault === "no-log-probs"
      ? `${judge} gives no log-probs here, and a verdict is read from them; say ${settings.inWords}, which is another protocol, or name a judge or an endpoint that does`
      : `${judge} was asked and ${(json as { readonly model: string }).model} answered; a win rate is of one judge: name the one that is meant with ${settings.judge}`
  return { kind: "unusable", reason, isFree: false, response: json }
}

function ofStatus(
  { status, headers }: Response,
  told: unknown,
  { url, settings = OPTIONS }: JudgeEndpoint,
  mask: KeyMask,
): RequestOutcome {
  const words = typeof told === "string" ? told : JSON.stringify(told)
  const reason = `status ${status}: ${words.slice(0, MAX_SHOWN)}`
  const isFree = status < 500
  if (status >= 500 || PASSING_STATUSES.includes(status)) {
    const waitMs = retryAfterMs(headers.get("retry-after"), Date.now())
    const unheard = status === 429 ? { isUnheard: "too-soon" as const } : {}
    return { kind: "failed", reason, waitMs, isFree, ...unheard, response: told }
  }
  if (REFUSED_STATUSES.includes(status)) return { kind: "refused", reason, isFree, response: told }
  if (status >= 300 && status < 400) {
    const elsewhere = mask.text(headers.get("location") ?? "an address that it does not name").slice(0, MAX_SHOWN)
    const mend = `questions go nowhere but to the address that is named: name that one with ${settings.url} if it is the judge's`
    const moved = `${url} answers with status ${status} from elsewhere, ${elsewhere}; ${mend}`
    return { kind: "unusable", reason: moved, isFree, response: told }
  }
  const isOfKey = status === 401 || status === 403
  const mend = isOfKey
    ? "put the endpoint's key into YOHAKU_JUDGE_KEY"
    : `look at ${settings.url} and ${settings.judge}`
  return { kind: "unusable", reason: `${url} answers with ${reason}; ${mend}`, isFree, isOfKey, response: told }
}

/** Undefined where it is no JSON. */
function parsed(text: string, mask: KeyMask): unknown {
  try {
    return mask.json(JSON.parse(text))
  } catch (error) {
    return error instanceof TooDeep ? error : undefined
  }
}

/** What a Retry-After header asks for, in seconds or as a date; undefined where it says nothing that can be read. */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined
  if (/^\d+(\.\d+)?$/.test(header.trim())) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs)
}
