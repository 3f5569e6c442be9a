// What a call to the gateway can end with, told apart by what it means to the caller: try again, or do not.
import { Clock, Context, Effect, Schedule, Schema } from "effect"
import { causeInWords } from "#gpu-runner/data/network-cause.ts"

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
    : new GatewayUnavailable({
        message: status === 0 ? (problem.detail ?? problem.title ?? causeInWords(error)) : wordsOf(problem),
      })
}

/** Who is told of every call that a gateway leaves without an answer, with why it is waited for; nobody, where nobody asks. */
export const OnAway = Context.Reference<(why: string) => void>("yohaku/gpu-runner/OnAway", {
  defaultValue: () => () => undefined,
})

/** Waits out an unreachable gateway: half a second, doubled up to ten, for ever. */
const untilReachable = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered,
)

/** Repeats a call while the gateway is away, and tells why; every other failure passes through. */
export const whenReachable = <A, E extends { readonly _tag: string; readonly message: string }, R>(
  call: Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.flatMap(OnAway, (tell) =>
    call.pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (error._tag === "GatewayUnavailable") tell(error.message)
        }),
      ),
      Effect.retry({ schedule: untilReachable, while: ({ _tag }) => _tag === "GatewayUnavailable" }),
    ),
  )

/** A call that is longer without an answer is told of: the gateway is busy, or hangs. */
export const SILENT_MS = 15_000

/** Tells when nothing was heard of a call for so long, and again after as long. `sentMs`: when the last of what it sends had left. */
const tellingSilence = (silentMs: number, sentMs: () => number) =>
  Effect.gen(function* () {
    const tell = yield* OnAway
    for (let heardMs = yield* Clock.currentTimeMillis; ; ) {
      yield* Effect.sleep(Math.max(1, heardMs + silentMs - (yield* Clock.currentTimeMillis)))
      const lastMs = sentMs()
      if (lastMs <= heardMs) tell(`no answer for more than ${silentMs / 1000} s`)
      heardMs = lastMs > heardMs ? lastMs : yield* Clock.currentTimeMillis
    }
  })

export interface Silence {
  readonly silentMs?: number
  /** By `Date.now`, when the last byte had left that has; a call that is sent at once needs none. */
  readonly sentMs?: () => number
}

/** Tells of a call that is not answered for long; what becomes of it is the call's own. */
export const tellingOfSilence = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  { silentMs = SILENT_MS, sentMs = () => 0 }: Silence = {},
) => Effect.raceFirst(call, tellingSilence(silentMs, sentMs))

/** One call of the gateway, waited for as long as it takes and repeated while the gateway is away. Fails with CallRefused. */
export const patiently = <A, E, R>(made: Effect.Effect<A, E, R>, silence: Silence = {}) =>
  whenReachable(
    tellingOfSilence(
      Effect.mapError(
        made,
        (error): CallFailure =>
          error instanceof CallRefused || error instanceof GatewayUnavailable ? error : toCallFailure(error),
      ),
      silence,
    ),
  )
