// Who calls: a bearer key `yhk_<environment>_<key id>_<secret>`, or the admin key of the deployment. All refusals of a key
// look alike, and a missing scope is told before anything is looked up, so neither tells what exists.
import { Clock, Context, Effect, Layer, Redacted } from "effect"
import { HttpEffect, HttpServerResponse } from "effect/http"
import { Authorization, Caller, RequiredScopes } from "#shared/api/middleware.ts"
import { Forbidden, Unauthenticated } from "#shared/api/problems.ts"
import { type Scope, Scope as ScopeSchema } from "#shared/domain/ApiKey.ts"
import { Environment } from "../Environment.ts"
import { ApiKeys } from "../storage/ApiKeys.ts"
import { isEqual } from "../storage/Vault.ts"

const BOOTSTRAP_KEY_ID = "bootstrap"

const unauthenticated = new Unauthenticated({
  detail: "Send a valid, unexpired key as `Authorization: Bearer yhk_…`; an admin makes keys with POST /v1/keys.",
})

const challenge = HttpEffect.appendPreResponseHandler((_, response) =>
  Effect.succeed(HttpServerResponse.setHeader(response, "www-authenticate", 'Bearer realm="yohaku"')),
)

export const AuthorizationLayer = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const { YOHAKU_ADMIN_KEY: adminKey } = yield* Environment
    const keys = yield* ApiKeys

    const identify = Effect.fnUntraced(function* (token: string) {
      if (adminKey && (yield* Effect.promise(() => isEqual(token, adminKey))))
        return { keyId: BOOTSTRAP_KEY_ID, scopes: ScopeSchema.literals }
      return yield* keys.find(token, yield* Clock.currentTimeMillis)
    })

    return Authorization.of({
      bearer: Effect.fnUntraced(function* (httpEffect, { credential, endpoint }) {
        const caller = yield* identify(Redacted.value(credential))
        if (caller === undefined) {
          yield* challenge
          return yield* unauthenticated
        }
        const required = Context.getOrUndefined(endpoint.annotations as Context.Context<never>, RequiredScopes) ?? []
        const may = (scope: Scope) => caller.scopes.includes(scope)
        if (!may("admin") && !required.some(may))
          return yield* new Forbidden({ detail: `Use a key with the scope ${required.join(" or ")}.` })
        return yield* Effect.provideService(httpEffect, Caller, caller)
      }),
    })
  }),
)
