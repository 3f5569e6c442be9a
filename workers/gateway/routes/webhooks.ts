// /v1/webhooks: verify the bytes, do what they say in one durable write, 202. Whatever was sent is listed.
import { Clock, Effect, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { InvalidSignature, MalformedJson, UnusableDelivery } from "#shared/api/problems.ts"
import type { WebhookSource } from "#shared/domain/WebhookEndpoint.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { argilla } from "../connectors/argilla.ts"
import type { Connector } from "../connectors/Connector.ts"
import { labelStudio } from "../connectors/label-studio.ts"
import { retrain } from "../connectors/retrain.ts"
import { noted, type Sent, take } from "../deliveries.ts"
import { checkMedia, readBody, webRequest } from "../http/bodies.ts"
import { parseForeignJson, parseStrictJson } from "../http/strict-json.ts"
import { Orchestrator } from "../Orchestrator.ts"
import type { SignedDelivery } from "../signatures/standard-webhooks.ts"
import { Deliveries } from "../storage/Deliveries.ts"
import { WebhookEndpoints } from "../storage/WebhookEndpoints.ts"

type Verify = (delivery: SignedDelivery, secrets: readonly string[]) => Promise<boolean>

const SIGNED = "Sign with the endpoint's secret, over the body exactly as it is sent, no more than five minutes ago."

/** What each sender has to do. */
const PROOF: Readonly<Record<WebhookSource, string>> = {
  argilla: SIGNED,
  retrain: SIGNED,
  "label-studio":
    "Send the endpoint's secret in the header x-yohaku-secret; Label Studio's webhook settings take headers.",
}

/** A delivery whose sender is proven. */
const receive = Effect.fnUntraced(function* (source: WebhookSource, endpointId: string, verify: Verify) {
  const endpoints = yield* WebhookEndpoints
  const deliveries = yield* Deliveries
  const request = yield* webRequest
  yield* checkMedia(request, ["application/json"])
  const body = yield* readBody(request, LIMITS.jsonBodyBytes)
  const { endpoint, secrets } = yield* endpoints.open(source, endpointId)
  const nowMs = yield* Clock.currentTimeMillis
  const { headers } = request
  const isGenuine = yield* Effect.promise(() => verify({ headers, rawBody: body, nowMs }, secrets))
  const digest = yield* Effect.promise(() => sha256Hex(body))
  if (isGenuine) return { endpoint, digest, body, headers }
  const reason = "its signature or secret is not valid for this endpoint, or too old"
  yield* deliveries.note({ endpointId, digest, isGenuine, status: "refused", reason, body: undefined })
  return yield* new InvalidSignature({ detail: PROOF[source] })
})

const jsonOf = (body: Uint8Array, parse: typeof parseStrictJson) => {
  const json = parse(body)
  return Result.isSuccess(json)
    ? Effect.succeed(json.success.value)
    : Effect.fail(new MalformedJson({ detail: `The body is not acceptable JSON: ${json.failure}.` }))
}

/** The handler of a labelling tool's deliveries. */
const deliver = Effect.fnUntraced(function* (connector: Connector, endpointId: string) {
  const deliveries = yield* Deliveries
  const sent = yield* receive(connector.source, endpointId, connector.verify)
  if (connector.isRemembered && (yield* deliveries.wasTaken(endpointId, sent.digest)))
    return yield* noted(
      sent,
      Effect.succeed({ status: "duplicate" as const, reason: "this very delivery was taken before" }),
    )
  return yield* noted(
    sent,
    Effect.flatMap(jsonOf(sent.body, parseForeignJson), (json) => take(sent.endpoint, json)),
  )
})

const triggerRun = Effect.fnUntraced(function* ({ endpoint, body }: Sent, key: string) {
  const orchestrator = yield* Orchestrator
  const overrides = yield* retrain.read(yield* jsonOf(body, parseStrictJson))
  const { runId, created, status, error } = yield* orchestrator
    .call("run", (rpc) => rpc.trigger({ datasetId: endpoint.datasetId, trigger: "webhook", key, ...overrides }))
    .pipe(
      Effect.catchTags({
        Conflict: Effect.die,
        StaleLease: Effect.die,
        NotFound: ({ message }) => Effect.fail(new UnusableDelivery({ detail: message })),
        UnusableRequest: ({ message }) => Effect.fail(new UnusableDelivery({ detail: message })),
      }),
    )
  const end = status === undefined ? {} : { reason: `its run is over: ${[status, error].filter(Boolean).join(", ")}` }
  return { status: created ? ("accepted" as const) : ("duplicate" as const), runId, ...end }
})

/** A repeated delivery has the same webhook-id, which is the run's key. */
const startRun = Effect.fnUntraced(function* (endpointId: string) {
  const sent = yield* receive("retrain", endpointId, retrain.verify)
  return yield* noted(sent, triggerRun(sent, `webhook:${endpointId}:${sent.headers.get("webhook-id")}`))
})

export const WebhooksLayer = HttpApiBuilder.group(YohakuApi, "webhooks", (handlers) =>
  handlers
    .handleRaw("argilla", ({ params: { endpointId } }) => deliver(argilla, endpointId))
    .handleRaw("labelStudio", ({ params: { endpointId } }) => deliver(labelStudio, endpointId))
    .handleRaw("retrain", ({ params: { endpointId } }) => startRun(endpointId)),
)
