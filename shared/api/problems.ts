// Every error the API answers, as RFC 9457 problems: `type` is stable, `detail` says how to mend it.
import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"

const uri = <Slug extends string>(slug: Slug) => `urn:yohaku:problem:${slug}` as const

const Issue = Schema.Struct({
  path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
  message: Schema.String,
})

export class InvalidRequest extends HttpApiError.Problem<InvalidRequest>()(
  "InvalidRequest",
  { type: uri("invalid-request"), status: 400, title: "The request does not match the API's description" },
  { errors: Schema.optionalKey(Schema.Array(Issue)) },
) {}

export class MalformedJson extends HttpApiError.Problem<MalformedJson>()("MalformedJson", {
  type: uri("malformed-json"),
  status: 400,
  title: "The body is not acceptable JSON",
}) {}

export class IdempotencyKeyMissing extends HttpApiError.Problem<IdempotencyKeyMissing>()("IdempotencyKeyMissing", {
  type: uri("idempotency-key-missing"),
  status: 400,
  title: "This request needs a usable Idempotency-Key header",
}) {}

export class InvalidCursor extends HttpApiError.Problem<InvalidCursor>()("InvalidCursor", {
  type: uri("invalid-cursor"),
  status: 400,
  title: "The cursor is not one that this list gave out",
}) {}

export class Unauthenticated extends HttpApiError.Problem<Unauthenticated>()("Unauthenticated", {
  type: uri("unauthenticated"),
  status: 401,
  title: "A valid API key is needed",
}) {}

export class InvalidSignature extends HttpApiError.Problem<InvalidSignature>()("InvalidSignature", {
  type: uri("invalid-signature"),
  status: 401,
  title: "The delivery's signature is not valid for this endpoint",
}) {}

export class Forbidden extends HttpApiError.Problem<Forbidden>()("Forbidden", {
  type: uri("forbidden"),
  status: 403,
  title: "This API key may not do that",
}) {}

export class RouteNotFound extends HttpApiError.Problem<RouteNotFound>()("RouteNotFound", {
  type: uri("route-not-found"),
  status: 404,
  title: "There is no such route",
}) {}

export class DatasetNotFound extends HttpApiError.Problem<DatasetNotFound>()("DatasetNotFound", {
  type: uri("dataset-not-found"),
  status: 404,
  title: "There is no such dataset",
}) {}

export class NotFound extends HttpApiError.Problem<NotFound>()(
  "NotFound",
  { type: uri("not-found"), status: 404, title: "There is no such thing" },
  { resource: Schema.Literals(["api key", "blob", "channel", "job", "model", "run", "webhook endpoint"]) },
) {}

export class Conflict extends HttpApiError.Problem<Conflict>()("Conflict", {
  type: uri("conflict"),
  status: 409,
  title: "The request contradicts what exists",
}) {}

export class StaleLease extends HttpApiError.Problem<StaleLease>()("StaleLease", {
  type: uri("stale-lease"),
  status: 409,
  title: "Another runner holds this job now",
}) {}

export class LengthRequired extends HttpApiError.Problem<LengthRequired>()("LengthRequired", {
  type: uri("length-required"),
  status: 411,
  title: "The upload's length must be known",
}) {}

export class BodyTooLarge extends HttpApiError.Problem<BodyTooLarge>()(
  "BodyTooLarge",
  { type: uri("body-too-large"), status: 413, title: "The body is too large" },
  { limitBytes: Schema.Int },
) {}

export class UnsupportedMedia extends HttpApiError.Problem<UnsupportedMedia>()("UnsupportedMedia", {
  type: uri("unsupported-media"),
  status: 415,
  title: "The body's type or encoding is not supported",
}) {}

export class InvalidComparison extends HttpApiError.Problem<InvalidComparison>()(
  "InvalidComparison",
  { type: uri("invalid-comparison"), status: 422, title: "The comparison cannot be learnt from" },
  {
    reason: Schema.Literals([
      "empty-prompt",
      "empty-response",
      "identical-responses",
      "mixed-text",
      "too-few-candidates",
      "duplicate-candidate",
      "unknown-candidate",
      "unusable-judgement",
      "unusable-date",
    ]),
  },
) {}

export class UnusableRow extends HttpApiError.Problem<UnusableRow>()(
  "UnusableRow",
  { type: uri("unusable-row"), status: 422, title: "The preference row cannot be used" },
  { field: Schema.String },
) {}

export class LineTooLarge extends HttpApiError.Problem<LineTooLarge>()(
  "LineTooLarge",
  { type: uri("line-too-large"), status: 413, title: "A line is too large" },
  { limitBytes: Schema.Int },
) {}

export class IdempotencyKeyReused extends HttpApiError.Problem<IdempotencyKeyReused>()("IdempotencyKeyReused", {
  type: uri("idempotency-key-reused"),
  status: 422,
  title: "This Idempotency-Key was sent before with another request",
}) {}

export class ReferenceModelUnusable extends HttpApiError.Problem<ReferenceModelUnusable>()("ReferenceModelUnusable", {
  type: uri("reference-model-unusable"),
  status: 422,
  title: "The reference model is not registered as a complete base model",
}) {}

export class ModelIncomplete extends HttpApiError.Problem<ModelIncomplete>()(
  "ModelIncomplete",
  { type: uri("model-incomplete"), status: 422, title: "The model lacks files" },
  { missing: Schema.Array(Schema.String) },
) {}

export class DigestMismatch extends HttpApiError.Problem<DigestMismatch>()("DigestMismatch", {
  type: uri("digest-mismatch"),
  status: 422,
  title: "The bytes are not the ones their digest names",
}) {}

export class UnusableDelivery extends HttpApiError.Problem<UnusableDelivery>()("UnusableDelivery", {
  type: uri("unusable-delivery"),
  status: 422,
  title: "The delivery does not fit the endpoint's mapping",
}) {}

export class UnusableRequest extends HttpApiError.Problem<UnusableRequest>()("UnusableRequest", {
  type: uri("unusable-request"),
  status: 422,
  title: "The request cannot be carried out as it stands",
}) {}

export class InternalError extends HttpApiError.Problem<InternalError>()("InternalError", {
  type: uri("internal-error"),
  status: 500,
  title: "Something failed here",
}) {}

export class Misconfigured extends HttpApiError.Problem<Misconfigured>()("Misconfigured", {
  type: uri("misconfigured"),
  status: 500,
  title: "This deployment lacks a setting",
}) {}

export class Unavailable extends HttpApiError.Problem<Unavailable>()("Unavailable", {
  type: uri("unavailable"),
  status: 503,
  title: "A part of the system does not answer",
}) {}
