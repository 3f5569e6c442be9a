// What a client is told when it does not get an answer: OpenAI's error shape, with a code for each cause.
import { taggedError } from "#gpu-runner/device/tagged-error.ts"

/** By code: the status, and the type that OpenAI's clients know. */
const CODES = {
  invalid_json: [400, "invalid_request_error"],
  missing_parameter: [400, "invalid_request_error"],
  invalid_value: [400, "invalid_request_error"],
  unknown_parameter: [400, "invalid_request_error"],
  unsupported_parameter: [400, "invalid_request_error"],
  invalid_prompt: [400, "invalid_request_error"],
  context_length_exceeded: [400, "invalid_request_error"],
  invalid_api_key: [401, "authentication_error"],
  host_not_allowed: [403, "permission_error"],
  model_not_found: [404, "not_found_error"],
  unknown_url: [404, "not_found_error"],
  method_not_allowed: [405, "invalid_request_error"],
  request_too_large: [413, "invalid_request_error"],
  unsupported_media_type: [415, "invalid_request_error"],
  queue_full: [429, "rate_limit_error"],
  broken_model: [500, "server_error"],
  internal_error: [500, "server_error"],
  device_failed: [503, "server_error"],
  starting: [503, "server_error"],
  draining: [503, "server_error"],
} as const

export type ApiErrorCode = keyof typeof CODES

interface ApiErrorFields {
  readonly code: ApiErrorCode
  /** Of the request's body, where one is at fault. */
  readonly param?: string | undefined
  readonly retryAfterSeconds?: number | undefined
}

export class ApiError extends taggedError<"ApiError", ApiErrorFields>("ApiError") {
  constructor(code: ApiErrorCode, message: string, more: Omit<ApiErrorFields, "code"> = {}) {
    super(message, { code, ...more })
  }

  get status(): number {
    return CODES[this.code][0]
  }

  /** The body of the answer. */
  get json() {
    const { code, message, param = null } = this
    return { error: { message, type: CODES[code][1], param, code } }
  }
}

/** Any failure as a client is told of it; one that nobody foresaw keeps its words to the server. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { _tag: tag, message } = (error ?? {}) as { readonly _tag?: unknown; readonly message?: string }
  if (tag === "BrokenLogits") return new ApiError("broken_model", message!)
  return new ApiError("internal_error", "the server failed at this request; what happened stands in its own output")
}
