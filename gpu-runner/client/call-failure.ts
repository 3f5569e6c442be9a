// What a call to the gateway can end with, told apart by what it means to the caller: try again, or do not.
import { Effect, Schedule, Schema } from "effect"

/** Network failure or 5xx: the same call may succeed later. */
export class GatewayUnavailable extends Schema.TaggedError<GatewayUnavailable>()("GatewayUnavailable", {
  message: Schema.String,
}) {}

/** The gateway understood the call and refuses it; trying again would not help. */
export class CallRefused extends Schema.TaggedError<CallRefused>()("CallRefused", {
  status: Schema.Int,
  message: Schema.String,
  /** Which problem of the API it is, as `StaleLease`; absent of what is none. */
  problem: Schema.optionalKey(Schema.String),
}) {}

export type CallFailure = GatewayUnavailable | CallRefused

/** A failure of the typed client: a problem of the API, or what lies below HTTP. */
export interface ProblemLike {
  readonly _tag?: string
  /** `urn:yohaku:problem:stale-lease`, where nothing made a tag of it. */
  readonly type?: string
  readonly status?: number
  readonly detail?: string
  readonly title?: string
  readonly message?: string
  readonly response?: { readonly status?: number }
}

/** The gateway's own words where there are any. */
export const wordsOf = (problem: ProblemLike): string =>
  problem.detail ?? problem.title ?? problem.message ?? "no explanation"

/** A problem's tag, also of one that was read as plain JSON. */
const tagOf = ({ _tag, type }: ProblemLike): string | undefined =>
  _tag ??
  type
    ?.split(":")
    .at(-1)
    ?.split("-")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("")

/** 5xx, 429 and everything below HTTP may pass; what the gateway says about the request itself will not. */
export const toCallFailure = (error: unknown): CallFailure => {
  const problem = error as ProblemLike
  const status = problem.status ?? problem.response?.status ?? 0
  const tag = tagOf(problem)
  // The typed client refuses by itself to send what the API would not take.
  if (Schema.isSchemaError(error)) return new CallRefused({ status: 400, message: error.message })
  return status >= 400 && status < 500 && status !== 429
    ? new CallRefused({ status, message: wordsOf(problem), ...(tag === undefined ? {} : { problem: tag }) })
    : new GatewayUnavailable({ message: wordsOf(problem) })
}

/** Waits out an unreachable gateway: half a second, doubled up to ten, for ever. */
const untilReachable = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered,
)

/** Repeats a call while the gateway is away; every other failure passes through. */
export const whenReachable = <A, E extends { readonly _tag: string }, R>(
  call: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.retry(call, { schedule: untilReachable, while: ({ _tag }) => _tag === "GatewayUnavailable" })
