// Stands before every handler that takes JSON: the body is read within its limit, checked, and handed on to be decoded.
import { Context, Effect, Layer, Result } from "effect"
import { HttpServerRequest } from "effect/http"
import { BodyGuard, CheckedBody, TakesForeignJson } from "#shared/api/middleware.ts"
import { MalformedJson } from "#shared/api/problems.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { checkMedia, readBody, webRequest } from "./bodies.ts"
import { parseForeignJson, parseStrictJson } from "./strict-json.ts"

const checked = (bytes: Uint8Array, isExpected: boolean, parse: typeof parseStrictJson) => {
  if (bytes.length === 0 && !isExpected) return Effect.succeed({ text: "", value: undefined })
  const parsed = parse(bytes)
  return Result.isSuccess(parsed)
    ? Effect.succeed(parsed.success)
    : Effect.fail(new MalformedJson({ detail: `The body is not acceptable JSON: ${parsed.failure}.` }))
}

export const BodyGuardLayer = Layer.succeed(
  BodyGuard,
  Effect.fnUntraced(function* (httpEffect, { endpoint }) {
    const request = yield* webRequest
    yield* checkMedia(request, ["application/json"])
    const bytes = yield* readBody(request, LIMITS.jsonBodyBytes)
    const isForeign = Context.getOrElse(endpoint.annotations, TakesForeignJson, () => false)
    const parse = isForeign ? parseForeignJson : parseStrictJson
    const { text, value } = yield* checked(bytes, endpoint.payload.size > 0, parse)
    // Written anew, since a number that is too large for JSON readers is no JSON value to the decoder.
    const handedOn = isForeign ? JSON.stringify(value) : text
    const digest = yield* Effect.promise(() => sha256Hex(bytes))
    const { url, method } = request
    // A body without a type is taken as JSON; the platform would give it another one.
    const headers = new Headers(request.headers)
    headers.set("content-type", "application/json")
    const again = HttpServerRequest.fromWeb(new Request(url, { method, headers, body: handedOn }))
    return yield* httpEffect.pipe(
      Effect.provideService(HttpServerRequest.HttpServerRequest, again),
      Effect.provideService(CheckedBody, { text, digest }),
    )
  }),
)
