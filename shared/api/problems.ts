// Every error the API answers, as RFC 9457 problems: `type` is stable, `detail` says how to mend it.
import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"
import { Count } from "#shared/domain/bounds.ts"

/** `InvalidRequest` → `urn:yohaku:problem:invalid-request` */
const typeOf = (name: string) => `urn:yohaku:problem:${name.replaceAll(/(?<=.)[A-Z]/g, "-$&").toLowerCase()}` as const

/** A class of problems. Its type is made from its name; `fields` are what it carries beside `detail`. */
const problem =
  <Self>() =>
  <
    const Name extends string,
    const Status extends number,
    const Fields extends HttpApiError.ProblemExtensionFields = Record<never, never>,
  >(
    name: Name,
    status: Status,
    title: string,
    fields?: Fields,
  ) =>
    HttpApiError.Problem<Self>()(name, { type: typeOf(name), status, title }, fields)

const Issue = Schema.Struct({
  path: Schema.Array(Schema.Union([Schema.String, Schema.Finite])),
  message: Schema.String,
})

export class InvalidRequest extends problem<InvalidRequest>()(
  "InvalidRequest",
  400,
  "The request does not match the API's description",
  { errors: Schema.optionalKey(Schema.Array(Issue)) },
) {}

export class MalformedJson extends problem<MalformedJson>()("MalformedJson", 400, "The body is not acceptable JSON") {}

export class IdempotencyKeyMissing extends problem<IdempotencyKeyMissing>()(
  "IdempotencyKeyMissing",
  400,
  "This request needs a usable Idempotency-Key header",
) {}

export class InvalidCursor extends problem<InvalidCursor>()(
  "InvalidCursor",
  400,
  "The cursor is not one that this list gave out",
) {}

export class Unauthenticated extends problem<Unauthenticated>()("Unauthenticated", 401, "A valid API key is needed") {}

export class InvalidSignature extends problem<InvalidSignature>()(
  "InvalidSignature",
  401,
  "The delivery's signature is not valid for this endpoint",
) {}

export class Forbidden extends problem<Forbidden>()("Forbidden", 403, "This API key may not do that") {}

export class RouteNotFound extends problem<RouteNotFound>()("RouteNotFound", 404, "There is no such route") {}

export class DatasetNotFound extends problem<DatasetNotFound>()("DatasetNotFound", 404, "There is no such dataset") {}

export class NotFound extends problem<NotFound>()("NotFound", 404, "There is no such thing", {
  resource: Schema.Literals([
    "api key",
    "blob",
    "channel",
    "evaluation",
    "job",
    "model",
    "run",
    "upload",
    "webhook endpoint",
    "webhook delivery",
  ]),
}) {}

export class MethodNotAllowed extends problem<MethodNotAllowed>()(
  "MethodNotAllowed",
  405,
  "This route has other methods",
) {}

export class Conflict extends problem<Conflict>()("Conflict", 409, "The request contradicts what exists") {}

export class StaleLease extends problem<StaleLease>()("StaleLease", 409, "Another runner holds this job now") {}

export class LengthRequired extends problem<LengthRequired>()(
  "LengthRequired",
  411,
  "The upload's length must be known",
) {}

export class BodyTooLarge extends problem<BodyTooLarge>()("BodyTooLarge", 413, "The body is too large", {
  limitBytes: Count,
}) {}

export class RangeNotSatisfiable extends problem<RangeNotSatisfiable>()(
  "RangeNotSatisfiable",
  416,
  "The file has no such bytes",
  { bytes: Count },
) {}

export class PartUnfit extends problem<PartUnfit>()("PartUnfit", 422, "The part does not fit its upload", {
  parts: Count,
  expectedBytes: Schema.optionalKey(Count),
}) {}

export class UploadIncomplete extends problem<UploadIncomplete>()("UploadIncomplete", 409, "The upload lacks parts", {
  lacking: Count,
  missing: Schema.Array(Count),
}) {}

export class UnsupportedMedia extends problem<UnsupportedMedia>()(
  "UnsupportedMedia",
  415,
  "The body's type or encoding is not supported",
) {}

export class InvalidComparison extends problem<InvalidComparison>()(
  "InvalidComparison",
  422,
  "The comparison cannot be learnt from",
  {
    reason: Schema.Literals([
      "empty-prompt",
      "empty-response",
      "several-turns",
      "identical-responses",
      "too-few-candidates",
      "duplicate-candidate",
      "unknown-candidate",
      "unusable-judgement",
      "unusable-date",
      "too-much-text",
    ]),
  },
) {}

export class UnusableRow extends problem<UnusableRow>()("UnusableRow", 422, "The preference row cannot be used", {
  field: Schema.String,
}) {}

export class LineTooLarge extends problem<LineTooLarge>()("LineTooLarge", 413, "A line is too large", {
  limitBytes: Count,
}) {}

export class IdempotencyKeyReused extends problem<IdempotencyKeyReused>()(
  "IdempotencyKeyReused",
  422,
  "This Idempotency-Key was sent before with another request",
) {}

export class ReferenceModelUnusable extends problem<ReferenceModelUnusable>()(
  "ReferenceModelUnusable",
  422,
  "The reference model is not registered as a complete base model",
) {}

export class ModelIncomplete extends problem<ModelIncomplete>()("ModelIncomplete", 422, "The model lacks files", {
  missing: Schema.Array(Schema.String),
}) {}

export class DigestMismatch extends problem<DigestMismatch>()(
  "DigestMismatch",
  422,
  "The bytes are not the ones their digest names",
) {}

export class UnusableDelivery extends problem<UnusableDelivery>()(
  "UnusableDelivery",
  422,
  "The delivery does not fit the endpoint's mapping",
) {}

export class UnusableRequest extends problem<UnusableRequest>()(
  "UnusableRequest",
  422,
  "The request cannot be carried out as it stands",
) {}

export class InternalError extends problem<InternalError>()("InternalError", 500, "Something failed here") {}

export class Misconfigured extends problem<Misconfigured>()("Misconfigured", 500, "This deployment lacks a setting") {}

export class Unavailable extends problem<Unavailable>()("Unavailable", 503, "A part of the system does not answer") {}
