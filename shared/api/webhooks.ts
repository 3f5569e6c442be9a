// Where labelling tools deliver, and what became of it. A delivery's body is read raw, because its signature is over its bytes;
// no API key is needed for it.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { TimeMs } from "#shared/domain/bounds.ts"
import { WebhookEndpoint, WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import { described, SignatureHeaders } from "./described.ts"
import {
  ARGILLA_EVENT,
  AT_MS,
  DELIVERY_DIGEST,
  ENDPOINT,
  LABEL_STUDIO_EVENT,
  RETRAIN_EVENT,
  RUN_ID,
} from "./examples.ts"
import { Authorization, BodyGuard, RequiredScopes, TakesForeignJson } from "./middleware.ts"
import { deliveryParams, endpointParams, Page, pageQuery, STANDARD_SIGNATURE, STATIC_SECRET } from "./parameters.ts"
import {
  BodyTooLarge,
  InvalidComparison,
  InvalidCursor,
  InvalidSignature,
  MalformedJson,
  NotFound,
  UnsupportedMedia,
  UnusableDelivery,
} from "./problems.ts"

export const DeliveryAnswer = Schema.Struct({
  status: Schema.Literals(["accepted", "duplicate", "ignored"]),
  reason: Schema.optionalKey(Schema.String),
  runId: Schema.optionalKey(Schema.String),
}).annotate({ identifier: "DeliveryAnswer" })
export type DeliveryAnswer = typeof DeliveryAnswer.Type

const options = {
  params: endpointParams,
  payload: Schema.Unknown,
  success: DeliveryAnswer.pipe(HttpApiSchema.status(202)),
  error: [
    NotFound,
    InvalidSignature,
    MalformedJson,
    BodyTooLarge,
    UnsupportedMedia,
    UnusableDelivery,
    InvalidComparison,
  ],
} as const

export const WebhooksApi = HttpApiGroup.make("webhooks")
  .annotate(OpenApi.Description, "Where labelling tools deliver. No API key: the body is signed.")
  .add(
    HttpApiEndpoint.post("argilla", "/v1/webhooks/argilla/:endpointId", options)
      .annotate(SignatureHeaders, STANDARD_SIGNATURE)
      .annotateMerge(
        described(
          "Take a delivery of Argilla",
          "Signed by Standard Webhooks. A judgement becomes a comparison, one that was taken back takes its pairs back, and other events are ignored with the reason.",
          { body: ARGILLA_EVENT, answer: { status: "accepted" } },
        ),
      ),
    HttpApiEndpoint.post("labelStudio", "/v1/webhooks/label-studio/:endpointId", options)
      .annotate(SignatureHeaders, STATIC_SECRET)
      .annotateMerge(
        described(
          "Take a delivery of Label Studio",
          "The secret goes in a header. A judgement becomes a comparison, one that was taken back takes its pairs back, and other events are ignored with the reason.",
          { body: LABEL_STUDIO_EVENT, answer: { status: "accepted" } },
        ),
      ),
    HttpApiEndpoint.post("retrain", "/v1/webhooks/retrain/:endpointId", options)
      .annotate(SignatureHeaders, STANDARD_SIGNATURE)
      .annotateMerge(
        described(
          "Start a run by a signed webhook",
          "Signed by Standard Webhooks. `data` takes the keys of POST /v1/datasets/{id}/runs; the same `webhook-id` is the same run.",
          { body: RETRAIN_EVENT, answer: { status: "accepted", runId: RUN_ID } },
        ),
      ),
  )

/** `refused` was answered with a problem, whose reason is told. */
export const Delivery = Schema.Struct({
  /** SHA-256 of the body, hex. */
  digest: Schema.String,
  status: Schema.Literals(["accepted", "retracted", "ignored", "refused", "duplicate"]),
  reason: Schema.optionalKey(Schema.String),
  /** Its body is kept: it can be taken again. */
  canBeReplayed: Schema.Boolean,
  receivedAt: TimeMs,
}).annotate({ identifier: "Delivery" })
export type Delivery = typeof Delivery.Type

const params = endpointParams
const digestParams = deliveryParams
const taken = { success: options.success, error: [NotFound, UnusableDelivery, InvalidComparison] } as const

/** The newest deliveries of an endpoint, and what can be done where they were refused. */
export const DeliveriesApi = HttpApiGroup.make("deliveries")
  .annotate(OpenApi.Description, "What became of deliveries, and taking them again.")
  .add(
    HttpApiEndpoint.get("list", "/v1/webhooks/:endpointId/deliveries", {
      params,
      query: {
        ...pageQuery,
        status: Schema.optionalKey(
          Delivery.fields.status.annotate({ description: "Of this status alone.", examples: ["refused"] }),
        ),
      },
      success: Page(Delivery),
      error: [NotFound, InvalidCursor],
    })
      .annotate(RequiredScopes, ["admin"])
      .annotateMerge(
        described(
          "List what became of deliveries",
          "The last 1 000 of an endpoint, the newest first. `refused` was answered with a problem, which `reason` tells.",
          {
            answer: {
              items: [
                {
                  digest: DELIVERY_DIGEST,
                  status: "ignored",
                  reason: "TASKS_CREATED carries no judgement",
                  canBeReplayed: true,
                  receivedAt: AT_MS,
                },
              ],
            },
          },
        ),
      ),
    /** Takes an event as if the tool had delivered it: what never arrived, found by `yohaku sync`. */
    HttpApiEndpoint.post("deliver", "/v1/webhooks/:endpointId/deliveries", {
      params,
      payload: Schema.Unknown,
      ...taken,
    })
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["admin"])
      .annotate(TakesForeignJson, true)
      .annotateMerge(
        described(
          "Take an event as if the tool had delivered it",
          "For what never arrived, which `yohaku sync` finds.",
          { body: LABEL_STUDIO_EVENT, answer: { status: "accepted" } },
        ),
      ),
    HttpApiEndpoint.post("replay", "/v1/webhooks/:endpointId/deliveries/:digest/replay", {
      params: digestParams,
      ...taken,
    })
      .annotate(RequiredScopes, ["admin"])
      .annotateMerge(
        described(
          "Take a delivery again",
          "One that was refused or ignored, once the mapping is mended. It counts as of when it came.",
          { answer: { status: "accepted" } },
        ),
      ),
    HttpApiEndpoint.put("changeMapping", "/v1/webhooks/:endpointId/mapping", {
      params,
      payload: WebhookMapping,
      success: WebhookEndpoint,
      error: NotFound,
    })
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["admin"])
      .annotateMerge(
        described(
          "Change the mapping of an endpoint",
          "The whole mapping is replaced. Deliveries that were refused can be taken again afterwards.",
          { body: { prompt: "prompt", responses: ["answer1", "answer2"] }, answer: ENDPOINT },
        ),
      ),
  )
  .middleware(Authorization)
