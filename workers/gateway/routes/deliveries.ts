// /v1/webhooks/{id}/deliveries: what became of deliveries, and what an operator does about it
import { Effect, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { CheckedBody } from "#shared/api/middleware.ts"
import { UnusableDelivery } from "#shared/api/problems.ts"
import { connectorOf, noted, take } from "../deliveries.ts"
import { parseForeignJson } from "../http/strict-json.ts"
import { Deliveries } from "../storage/Deliveries.ts"
import { DEFAULT_LIMIT, decodeCursor } from "../storage/paging.ts"
import { WebhookEndpoints } from "../storage/WebhookEndpoints.ts"

export const DeliveriesLayer = HttpApiBuilder.group(
  YohakuApi,
  "deliveries",
  Effect.fnUntraced(function* (handlers) {
    const endpoints = yield* WebhookEndpoints
    const deliveries = yield* Deliveries

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function* ({ params: { endpointId }, query: { cursor, limit, status } }) {
          yield* endpoints.get(endpointId)
          return yield* deliveries.list(endpointId, status, yield* decodeCursor(cursor), limit ?? DEFAULT_LIMIT)
        }),
      )
      .handle(
        "deliver",
        Effect.fnUntraced(function* ({ params: { endpointId }, payload }) {
          const endpoint = yield* endpoints.get(endpointId)
          yield* connectorOf(endpoint)
          const { text, digest } = yield* CheckedBody
          return yield* noted({ endpoint, digest, body: new TextEncoder().encode(text) }, take(endpoint, payload))
        }),
      )
      .handle(
        "replay",
        Effect.fnUntraced(function* ({ params: { endpointId, digest } }) {
          const endpoint = yield* endpoints.get(endpointId)
          yield* connectorOf(endpoint)
          const { body, receivedAt } = yield* deliveries.kept(endpointId, digest)
          const json = parseForeignJson(body)
          const taken = Result.isSuccess(json)
            ? take(endpoint, json.success.value, receivedAt)
            : Effect.fail(new UnusableDelivery({ detail: `The body is not acceptable JSON: ${json.failure}.` }))
          return yield* noted({ endpoint, digest, body }, taken)
        }),
      )
      .handle(
        "changeMapping",
        Effect.fnUntraced(function* ({ params: { endpointId }, payload }) {
          return yield* endpoints.changeMapping(endpointId, payload)
        }),
      )
  }),
)
