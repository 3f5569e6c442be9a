// /v1/keys
import { Clock, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { MadeApiKey } from "#shared/api/keys.ts"
import { IdempotentRequest } from "#shared/api/middleware.ts"
import { NotFound, UnusableRequest } from "#shared/api/problems.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import { ApiKeys } from "../storage/ApiKeys.ts"
import { DEFAULT_LIMIT, decodeCursor } from "../storage/paging.ts"

export const KeysLayer = HttpApiBuilder.group(
  YohakuApi,
  "keys",
  Effect.fnUntraced(function* (handlers) {
    const keys = yield* ApiKeys
    const answers = yield* Answers
    return handlers
      .handle(
        "create",
        Effect.fnUntraced(function* ({ payload }) {
          const now = yield* Clock.currentTimeMillis
          if (payload.expiresAt !== undefined && payload.expiresAt <= now)
            return yield* new UnusableRequest({
              detail: `expiresAt ${payload.expiresAt} has passed already, so the key could never be used; give a time after ${now}, in milliseconds since 1970, or leave it out.`,
            })
          const { made, statement } = yield* keys.make(payload)
          const body = encodeAnswer(MadeApiKey, made)
          return yield* answers
            .commit(yield* IdempotentRequest, [statement], { status: 201, body, isSecret: true })
            .pipe(Effect.catchTag("AlreadyExists", Effect.die))
        }),
      )
      .handle(
        "list",
        Effect.fnUntraced(function* ({ query: { cursor, limit } }) {
          return yield* keys.list(yield* decodeCursor(cursor), limit ?? DEFAULT_LIMIT)
        }),
      )
      .handle(
        "revoke",
        Effect.fnUntraced(function* ({ params: { id } }) {
          if (!(yield* keys.revoke(id)))
            return yield* new NotFound({ resource: "api key", detail: `There is no API key ${JSON.stringify(id)}.` })
        }),
      )
  }),
)
