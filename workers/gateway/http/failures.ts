// The last answer: whatever no handler foresaw still leaves as a problem, and the log says what it was.
import { Cause, Effect } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"
import { Problems } from "#shared/api/middleware.ts"
import {
  DatasetNotFound,
  InternalError,
  InvalidRequest,
  MethodNotAllowed,
  RouteNotFound,
  Unavailable,
} from "#shared/api/problems.ts"
import { DatasetDeleted, PartUnavailable } from "../storage/Database.ts"
import { methodsOf } from "./methods.ts"
import { faultsOf } from "./request-issues.ts"

const RETRY_AFTER_SECONDS = "1"
const MOST_SHOWN_CHARACTERS = 200

/** A request that does not decode is answered with what is wrong where; an answer that does not encode is our fault. */
export const ProblemsLayer = HttpApiMiddleware.layerSchemaErrorTransform(Problems, (error, { endpoint }) => {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  const errors = faultsOf(error.kind, error.cause.issue, endpoint)
  const first = errors[0]
  const detail = first === undefined ? "" : `${first.path.join(".")}: ${first.message}. `
  return Effect.fail(new InvalidRequest({ detail: `${detail}Compare the request with /openapi.json.`, errors }))
})

const answerDefect = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
  const defect = Cause.squash(cause)
  if (defect instanceof DatasetDeleted)
    return yield* HttpServerRespondable.toResponse(
      new DatasetNotFound({
        detail: "The dataset was deleted while this request was under way; nothing of it is stored.",
      }),
    )
  console.error(Cause.pretty(cause))
  if (!(defect instanceof PartUnavailable))
    return yield* HttpServerRespondable.toResponse(
      new InternalError({
        detail: "Send the request again with the same Idempotency-Key; if it fails again, see the worker's log.",
      }),
    )
  const unavailable = new Unavailable({ detail: `${defect.part} does not answer; send the request again in a moment.` })
  const response = yield* HttpServerRespondable.toResponse(unavailable)
  return HttpServerResponse.setHeader(response, "retry-after", RETRY_AFTER_SECONDS)
})

/** Wraps every route. */
export const DefectsLayer = HttpRouter.middleware(
  (httpEffect) =>
    Effect.catchCause(httpEffect, (cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : answerDefect(cause),
    ),
  { global: true },
)

const notFound = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
  const path = url.split("?")[0] ?? ""
  const detail = `There is no ${method} ${path.slice(0, MOST_SHOWN_CHARACTERS)}; /openapi.json lists what there is.`
  const methods = methodsOf(path)
  // The route is there, so that a name in the path must be longer than the router takes: nothing has it.
  if (methods.includes(method))
    return HttpServerRespondable.toResponse(
      new RouteNotFound({ detail: `There is nothing at this ${method}: a part of its path is longer than any name.` }),
    )
  const allow = methods.join(", ")
  return allow === ""
    ? HttpServerRespondable.toResponse(new RouteNotFound({ detail }))
    : HttpServerRespondable.toResponse(new MethodNotAllowed({ detail })).pipe(
        Effect.map((response) => HttpServerResponse.setHeader(response, "allow", allow)),
      )
})

/** Answers what no other route takes. */
export const NotFoundLayer = HttpRouter.add("*", "/*", notFound)
