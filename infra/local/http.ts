// A small JSON client of a local gateway. A refusal becomes an error that carries the problem's own words (RFC 9457). A gateway that
// gives no answer may be on its way up again: a call is repeated for a while, so calls must be of those that may be repeated.
import { setTimeout as sleep } from "node:timers/promises"

/** Longer than a restart of the workers takes on a busy machine. */
const PATIENCE_MS = 180_000
const REPEAT_MS = 500

export class GatewayProblem extends Error {
  readonly _tag = "GatewayProblem"
}

export interface CallOptions {
  readonly key?: string
  readonly body?: unknown
  /** Sent as they are, instead of `body`. */
  readonly bytes?: Uint8Array<ArrayBuffer>
  readonly idempotencyKey?: string
  readonly headers?: Readonly<Record<string, string>>
  /** How long a call without an answer is repeated. */
  readonly patienceMs?: number
  /** Ends the call, its repetitions included: a call that nobody waits for any more would keep the program alive. */
  readonly signal?: AbortSignal | undefined
}

export interface Answer<A> {
  readonly status: number
  readonly value: A
}

export interface Problem {
  readonly type?: string
  readonly title?: string
  readonly detail?: string
}

/** Throws undici's error with what is behind it: "fetch failed" says nothing. */
const withReason = (url: string, error: unknown): Error => {
  const { message, cause } = error as Error
  const reason = cause instanceof Error && cause.message !== "" ? cause.message : message
  return new Error(`the gateway at ${url} gave no answer: ${reason}`, { cause: error })
}

interface TextAnswer {
  readonly status: number
  readonly text: string
}

/** Repeats what got no answer, or the answer of a worker that was just restarted (503). */
const answered = async (
  url: string,
  { patienceMs = PATIENCE_MS, signal }: CallOptions,
  ask: () => Promise<Response>,
): Promise<TextAnswer> => {
  for (const startedMs = performance.now(); ; await sleep(REPEAT_MS, undefined, { signal })) {
    const isLast = performance.now() - startedMs >= patienceMs
    try {
      const response = await ask()
      if (response.status !== 503 || isLast) return { status: response.status, text: await response.text() }
      await response.body?.cancel()
    } catch (error) {
      signal?.throwIfAborted()
      if (isLast) throw withReason(url, error)
    }
  }
}

const sent = (url: string, method: string, path: string, options: CallOptions): Promise<TextAnswer> => {
  const headers: Record<string, string> = { ...options.headers }
  if (options.key !== undefined) headers.authorization = `Bearer ${options.key}`
  if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey
  const body = options.bytes ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  if (body !== undefined)
    headers["content-type"] ??= options.bytes === undefined ? "application/json" : "application/octet-stream"
  const { signal = null } = options
  const ask = () => fetch(`${url}${path}`, { method, headers, signal, ...(body === undefined ? {} : { body }) })
  return answered(url, options, ask)
}

const parsed = <A>(text: string): A => (text === "" ? null : JSON.parse(text)) as A

/** One call. Does not throw for a refusal: the caller looks at the status. */
export const request = async <A>(
  url: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer<A>> => {
  const { status, text } = await sent(url, method, path, options)
  return { status, value: parsed<A>(text) }
}

/** The text of an answer that must be one. Throws `GatewayProblem`. */
export const callForText = async (
  url: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<string> => {
  const { status, text } = await sent(url, method, path, options)
  if (status < 400) return text
  const problem = parsed<Problem | null>(text)
  const words = problem?.detail ?? problem?.title ?? "no explanation"
  throw new GatewayProblem(`${method} ${path}: ${status}: ${words}`)
}

/** One call that must succeed. Throws `GatewayProblem`. */
export const call = async <A>(url: string, method: string, path: string, options: CallOptions = {}): Promise<A> =>
  parsed<A>(await callForText(url, method, path, options))
