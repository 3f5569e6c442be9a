// /v1/webhooks: verify the bytes, normalise, one durable write, 202
import { Clock, Effect, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { InvalidComparison, InvalidSignature, MalformedJson, UnusableDelivery } from "#shared/api/problems.ts"
import type { DeliveryAnswer } from "#shared/api/webhooks.ts"
import type { WebhookSource } from "#shared/domain/WebhookEndpoint.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { argilla } from "../connectors/argilla.ts"
import { type Connector, normalise } from "../connectors/Connector.ts"
import { labelStudio } from "../connectors/label-studio.ts"
import { retrain } from "../connectors/retrain.ts"
import { checkMedia, readBody, webRequest } from "../http/bodies.ts"
import { parseStrictJson } from "../http/strict-json.ts"
import { storeComparisons } from "../ingest.ts"
import { Orchestrator } from "../Orchestrator.ts"
import type { SignedDelivery } from "../signatures/standard-webhooks.ts"
import { Comparisons } from "../storage/Comparisons.ts"
import { Database } from "../storage/Database.ts"
import { WebhookEndpoints } from "../storage/WebhookEndpoints.ts"

type Verify = (delivery: SignedDelivery, secrets: readonly string[]) => Promise<boolean>

/** The endpoint and the delivery's JSON, once its sender is proven. */
const receive = Effect.fnUntraced(function* (source: WebhookSource, endpointId: string, verify: Verify) {
  const endpoints = yield* WebhookEndpoints
  const request = yield* webRequest
  yield* checkMedia(request, ["application/json"])
  const rawBody = yield* readBody(request, LIMITS.jsonBodyBytes)
  const { endpoint, secrets } = yield* endpoints.open(source, endpointId)
  const nowMs = yield* Clock.currentTimeMillis
  const isGenuine = yield* Effect.promise(() => verify({ headers: request.headers, rawBody, nowMs }, secrets))
  if (!isGenuine)
    return yield* new InvalidSignature({
      detail: "Sign with the endpoint's secret, over the body exactly as it is sent, no more than five minutes ago.",
    })
  const json = parseStrictJson(rawBody)
  if (Result.isFailure(json))
    return yield* new MalformedJson({ detail: `The body is not acceptable JSON: ${json.failure}.` })
  return { endpoint, json: json.success.value, headers: request.headers }
})

const storeRetractions = Effect.fnUntraced(function* (
  datasetId: string,
  connector: Connector,
  externalIds: readonly string[],
) {
  const comparisons = yield* Comparisons
  const database = yield* Database
  const { statements } = comparisons.planRetraction(datasetId, connector.source, externalIds)
  const [retracted] = yield* Effect.orDie(database.batch(statements))
  return retracted?.meta.changes === 0
    ? ({ status: "ignored", reason: "nothing of it is stored" } as const)
    : ({ status: "accepted", reason: "retracted" } as const)
})

const ANSWERS = {
  accepted: { status: "accepted" },
  duplicate: { status: "duplicate" },
  superseded: { status: "ignored", reason: "a later judgement of the same thing is stored" },
} as const satisfies Record<string, DeliveryAnswer>

/** The handler of a labelling tool's deliveries. */
const deliver = Effect.fnUntraced(function* (connector: Connector, endpointId: string) {
  const { endpoint, json } = yield* receive(connector.source, endpointId, connector.verify)
  const { datasetId, mapping } = endpoint
  const { comparisons, retractions, ignored } = yield* normalise(connector, json, mapping)
  for (const comparison of comparisons) {
    const fault = findComparisonFault(comparison)
    if (fault !== undefined) return yield* new InvalidComparison(fault)
  }
  const retracted = retractions.length > 0 ? yield* storeRetractions(datasetId, connector, retractions) : undefined
  if (comparisons.length === 0) return retracted ?? { status: "ignored" as const, reason: ignored ?? "it is empty" }
  const database = yield* Database
  const { statuses } = yield* storeComparisons(datasetId, connector.source, comparisons, (plan) =>
    plan.statements.length === 0 ? Effect.succeed(plan) : Effect.as(database.batch(plan.statements), plan),
  )
  const news = (["accepted", "superseded"] as const).find((status) => statuses.includes(status))
  return ANSWERS[news ?? "duplicate"]
})

/** A repeated delivery has the same webhook-id, which is the run's key. */
const startRun = Effect.fnUntraced(function* (endpointId: string) {
  const orchestrator = yield* Orchestrator
  const { endpoint, json, headers } = yield* receive("retrain", endpointId, retrain.verify)
  const overrides = yield* retrain.read(json)
  const key = `webhook:${endpointId}:${headers.get("webhook-id")}`
  const { runId, created } = yield* orchestrator
    .call("run", (rpc) => rpc.trigger({ datasetId: endpoint.datasetId, trigger: "webhook", key, ...overrides }))
    .pipe(
      Effect.catchTags({
        StaleLease: Effect.die,
        NotFound: ({ message }) => Effect.fail(new UnusableDelivery({ detail: message })),
        Conflict: ({ message }) => Effect.fail(new UnusableDelivery({ detail: message })),
        UnusableRequest: ({ message }) => Effect.fail(new UnusableDelivery({ detail: message })),
      }),
    )
  return { status: created ? ("accepted" as const) : ("duplicate" as const), runId }
})

export const WebhooksLayer = HttpApiBuilder.group(YohakuApi, "webhooks", (handlers) =>
  handlers
    .handleRaw("argilla", ({ params: { endpointId } }) => deliver(argilla, endpointId))
    .handleRaw("labelStudio", ({ params: { endpointId } }) => deliver(labelStudio, endpointId))
    .handleRaw("retrain", ({ params: { endpointId } }) => startRun(endpointId)),
)
