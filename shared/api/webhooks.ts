// Where labelling tools deliver, and what became of it. A delivery's body is read raw, because its signature is over its bytes;
// no API key is needed for it.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { StoredName } from "#shared/domain/bounds.ts"
import { Digest } from "#shared/domain/Files.ts"
import { WebhookEndpoint, WebhookMapping } from "#shared/domain/WebhookEndpoint.ts"
import { Authorization, BodyGuard, RequiredScopes } from "./middleware.ts"
import { Page, pageQuery } from "./parameters.ts"
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
})
export type DeliveryAnswer = typeof DeliveryAnswer.Type

const options = {
  params: { endpointId: StoredName },
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

export const WebhooksApi = HttpApiGroup.make("webhooks").add(
  HttpApiEndpoint.post("argilla", "/v1/webhooks/argilla/:endpointId", options),
  HttpApiEndpoint.post("labelStudio", "/v1/webhooks/label-studio/:endpointId", options),
  HttpApiEndpoint.post("retrain", "/v1/webhooks/retrain/:endpointId", options),
)

/** `refused` was answered with a problem, whose reason is told. */
export const Delivery = Schema.Struct({
  /** SHA-256 of the body, hex. */
  digest: Schema.String,
  status: Schema.Literals(["accepted", "retracted", "ignored", "refused", "duplicate"]),
  reason: Schema.optionalKey(Schema.String),
  /** Its body is kept: it can be taken again. */
  canBeReplayed: Schema.Boolean,
  receivedAt: Schema.Int,
})
export type Delivery = typeof Delivery.Type

const params = { endpointId: StoredName }
const digestParams = { endpointId: StoredName, digest: Digest }
const taken = { success: options.success, error: [NotFound, UnusableDelivery, InvalidComparison] } as const

/** The newest deliveries of an endpoint, and what can be done where they were refused. */
export const DeliveriesApi = HttpApiGroup.make("deliveries")
  .add(
    HttpApiEndpoint.get("list", "/v1/webhooks/:endpointId/deliveries", {
      params,
      query: { ...pageQuery, status: Schema.optionalKey(Delivery.fields.status) },
      success: Page(Delivery),
      error: [NotFound, InvalidCursor],
    }).annotate(RequiredScopes, ["admin"]),
    /** Takes an event as if the tool had delivered it: what never arrived, found by `yohaku sync`. */
    HttpApiEndpoint.post("deliver", "/v1/webhooks/:endpointId/deliveries", {
      params,
      payload: Schema.Unknown,
      ...taken,
    })
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["admin"]),
    HttpApiEndpoint.post("replay", "/v1/webhooks/:endpointId/deliveries/:digest/replay", {
      params: digestParams,
      ...taken,
    }).annotate(RequiredScopes, ["admin"]),
    HttpApiEndpoint.put("changeMapping", "/v1/webhooks/:endpointId/mapping", {
      params,
      payload: WebhookMapping,
      success: WebhookEndpoint,
      error: NotFound,
    })
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["admin"]),
  )
  .middleware(Authorization)
