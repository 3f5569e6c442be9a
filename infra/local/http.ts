// A small JSON client of a local gateway. A refusal becomes an error that carries the problem's own words (RFC 9457).

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

/** One call. Does not throw for a refusal: the caller looks at the status. */
export const request = async <A>(
  url: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer<A>> => {
  const headers: Record<string, string> = { ...options.headers }
  if (options.key !== undefined) headers.authorization = `Bearer ${options.key}`
  if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey
  const body = options.bytes ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  if (body !== undefined)
    headers["content-type"] ??= options.bytes === undefined ? "application/json" : "application/octet-stream"
  const response = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
  const text = await response.text()
  return { status: response.status, value: (text === "" ? null : JSON.parse(text)) as A }
}

/** One call that must succeed. Throws `GatewayProblem`. */
export const call = async <A>(url: string, method: string, path: string, options: CallOptions = {}): Promise<A> => {
  const answer = await request<A | Problem>(url, method, path, options)
  if (answer.status < 400) return answer.value as A
  const problem = answer.value as Problem | null
  const words = problem?.detail ?? problem?.title ?? "no explanation"
  throw new GatewayProblem(`${method} ${path}: ${answer.status}: ${words}`)
}
