// API keys: made and revoked by an admin key.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { ApiKey, Scope } from "#shared/domain/ApiKey.ts"
import { BOUNDS, nameOf, StoredName } from "#shared/domain/bounds.ts"
import { Authorization, BodyGuard, Idempotency, RequiredScopes } from "./middleware.ts"
import { idempotencyHeaders } from "./parameters.ts"
import { NotFound, UnusableRequest } from "./problems.ts"

export const NewApiKey = Schema.Struct({
  label: nameOf(BOUNDS.label),
  scopes: Schema.NonEmptyArray(Scope).check(Schema.isMaxLength(Scope.literals.length)),
  /** Milliseconds since the Unix epoch, in the future. */
  expiresAt: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8_640_000_000_000_000 }))),
})

/** `key` is shown here and never again. */
export const MadeApiKey = Schema.Struct({ ...ApiKey.fields, key: Schema.String })

export const KeysApi = HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.post("create", "/v1/keys", {
      headers: idempotencyHeaders,
      payload: NewApiKey,
      success: MadeApiKey.pipe(HttpApiSchema.status(201)),
      error: UnusableRequest,
    })
      .middleware(Idempotency)
      .middleware(BodyGuard),
    HttpApiEndpoint.delete("revoke", "/v1/keys/:id", {
      params: { id: StoredName },
      success: HttpApiSchema.NoContent,
      error: NotFound,
    }),
  )
  .middleware(Authorization)
  .annotateEndpoints(RequiredScopes, ["admin"])
