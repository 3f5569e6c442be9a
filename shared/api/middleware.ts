// What stands before every handler, as definitions: who calls, a body within its limits, one effect per Idempotency-Key.
// The gateway implements them; clients and the OpenAPI document learn the errors from here.
import { Context } from "effect"
import { HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import type { Scope } from "#shared/domain/ApiKey.ts"
import {
  BodyTooLarge,
  Forbidden,
  IdempotencyKeyMissing,
  IdempotencyKeyReused,
  InternalError,
  InvalidRequest,
  MalformedJson,
  Misconfigured,
  Unauthenticated,
  Unavailable,
  UnsupportedMedia,
} from "./problems.ts"

/** Annotation of an endpoint: any one of these scopes suffices. */
export class RequiredScopes extends Context.Service<RequiredScopes, readonly Scope[]>()("yohaku/api/RequiredScopes") {}

/** The API key behind a request. */
export class Caller extends Context.Service<Caller, { readonly keyId: string; readonly scopes: readonly Scope[] }>()(
  "yohaku/api/Caller",
) {}

/** The JSON body as it was sent: at most `LIMITS.jsonBodyBytes`, strict UTF-8, checked. */
export class CheckedBody extends Context.Service<CheckedBody, { readonly text: string; readonly digest: string }>()(
  "yohaku/api/CheckedBody",
) {}

/** Annotation of an endpoint behind `BodyGuard`: most of its body is read by nobody and may hold any JSON. */
export class TakesForeignJson extends Context.Service<TakesForeignJson, boolean>()("yohaku/api/TakesForeignJson") {}

/** What can befall any request. */
export class Problems extends HttpApiMiddleware.Service<Problems>()("yohaku/api/Problems", {
  error: [InvalidRequest, InternalError, Misconfigured, Unavailable],
}) {}

const ApiKeyScheme = HttpApiSecurity.bearer.pipe(
  HttpApiSecurity.annotateMerge(
    OpenApi.annotations({
      description:
        "An API key, `yhk_<environment>_<key id>_<secret>`: made by POST /v1/keys, the first one by the deployment's settings. Each operation needs a scope.",
      format: "yhk",
    }),
  ),
)

export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()(
  "yohaku/api/Authorization",
  { security: { bearer: ApiKeyScheme }, error: [Unauthenticated, Forbidden] },
) {}

export class BodyGuard extends HttpApiMiddleware.Service<BodyGuard, { provides: CheckedBody }>()(
  "yohaku/api/BodyGuard",
  {
    error: [MalformedJson, BodyTooLarge, UnsupportedMedia],
  },
) {}

/** Annotation of an endpoint behind `Idempotency`: whether the header may be left out. */
export class IdempotencyKeyOptional extends Context.Service<IdempotencyKeyOptional, boolean>()(
  "yohaku/api/IdempotencyKeyOptional",
) {}

/** Where a request with an Idempotency-Key is remembered: who sent it, and what exactly it asked. */
export class IdempotentRequest extends Context.Service<
  IdempotentRequest,
  {
    readonly key: string | undefined
    readonly keyId: string
    readonly fingerprint: string
    /** The request's: it tells which dataset an answer is about. */
    readonly path: string
  }
>()("yohaku/api/IdempotentRequest") {}

export class Idempotency extends HttpApiMiddleware.Service<
  Idempotency,
  { provides: IdempotentRequest; requires: Caller | CheckedBody }
>()("yohaku/api/Idempotency", { error: [IdempotencyKeyMissing, IdempotencyKeyReused] }) {}
