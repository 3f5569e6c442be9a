// Where labelling tools deliver. The body is read raw, because its signature is over its bytes; no API key is needed.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { StoredName } from "#shared/domain/bounds.ts"
import {
  BodyTooLarge,
  InvalidComparison,
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
