// One effect per Idempotency-Key: a key that was answered before gets that answer again, another request under it is refused.
// The answer is stored by the handler, in the transaction that does what was asked (storage/Answers.ts).
import { Context, Effect, Layer } from "effect"
import { Caller, CheckedBody, Idempotency, IdempotencyKeyOptional, IdempotentRequest } from "#shared/api/middleware.ts"
import { IDEMPOTENCY_KEY } from "#shared/api/parameters.ts"
import { IdempotencyKeyMissing } from "#shared/api/problems.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { Relay } from "../outbox/Relay.ts"
import { Answers } from "../storage/Answers.ts"
import { webRequest } from "./bodies.ts"

const unusable = (detail: string) => Effect.fail(new IdempotencyKeyMissing({ detail }))

/** The Idempotency-Key of a request. */
export const idempotencyKeyOf = (
  request: Request,
  isOptional: boolean,
): Effect.Effect<string | undefined, IdempotencyKeyMissing> => {
  const key = request.headers.get("idempotency-key")
  if (key === null)
    return isOptional
      ? Effect.succeed(undefined)
      : unusable("Send an Idempotency-Key header that is new for every new request, such as a UUID.")
  return IDEMPOTENCY_KEY.test(key)
    ? Effect.succeed(key)
    : unusable("An Idempotency-Key is 1 to 255 visible ASCII characters, such as a UUID.")
}

/** What two requests must share to be the same request. */
export const fingerprintOf = (request: Request, bodyDigest: string): Effect.Effect<string> => {
  const { pathname, search } = new URL(request.url)
  return Effect.promise(() => sha256Hex([request.method, pathname + search, bodyDigest].join("\n")))
}

export const IdempotencyLayer = Layer.effect(
  Idempotency,
  Effect.gen(function* () {
    const answers = yield* Answers
    const relay = yield* Relay

    return Idempotency.of(
      Effect.fnUntraced(function* (httpEffect, { endpoint }) {
        const request = yield* webRequest
        const { keyId } = yield* Caller
        const { digest } = yield* CheckedBody
        const isOptional = Context.getOrUndefined(
          endpoint.annotations as Context.Context<never>,
          IdempotencyKeyOptional,
        )
        const key = yield* idempotencyKeyOf(request, isOptional === true)
        const path = new URL(request.url).pathname
        const identity = { key, keyId, fingerprint: yield* fingerprintOf(request, digest), path }
        const earlier = yield* answers.replay(identity)
        if (earlier === undefined) return yield* Effect.provideService(httpEffect, IdempotentRequest, identity)
        // The first request may have died between its commit and its wake.
        yield* relay.wake
        return earlier
      }),
    )
  }),
)
