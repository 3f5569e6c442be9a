// Comparisons go in one by one or as NDJSON and become pairs. An answer of 202 means that nothing can lose them any more.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Comparison, Source, Text } from "#shared/judgement/Comparison.ts"
import { Split } from "#shared/wire/pair-identity.ts"
import { Authorization, BodyGuard, Idempotency, RequiredScopes } from "./middleware.ts"
import { idempotencyHeaders, Page, pageQuery } from "./parameters.ts"
import {
  BodyTooLarge,
  DatasetNotFound,
  IdempotencyKeyMissing,
  IdempotencyKeyReused,
  InvalidComparison,
  InvalidCursor,
  UnsupportedMedia,
} from "./problems.ts"

export const AcceptedComparison = Schema.Struct({
  id: Schema.String,
  /** `duplicate`: exactly this was stored before. `superseded`: a later judgement of the same thing is stored. */
  status: Schema.Literals(["accepted", "duplicate", "superseded"]),
})

/** The problem of one line, as it would have been answered alone. */
export const LineProblem = Schema.Struct({
  type: Schema.String,
  status: Schema.Int,
  title: Schema.String,
  detail: Schema.optionalKey(Schema.String),
  reason: Schema.optionalKey(Schema.String),
})
export type LineProblem = typeof LineProblem.Type

/** Lines count from 1. At most `LIMITS.reportedLines` rejected lines are listed; `rejectedLines` counts all. */
export const BulkReport = Schema.Struct({
  accepted: Schema.Int,
  duplicates: Schema.Int,
  rejectedLines: Schema.Int,
  rejected: Schema.Array(Schema.Struct({ line: Schema.Int, problem: LineProblem })),
})
export type BulkReport = typeof BulkReport.Type

export const BulkFormat = Schema.Literals(["comparisons", "rows"])

export const StoredComparison = Schema.Struct({
  id: Schema.String,
  source: Source,
  externalId: Schema.String,
  annotator: Schema.optionalKey(Schema.String),
  task: Schema.optionalKey(Schema.String),
  judgementKind: Schema.Literals(["choice", "tie", "ranking", "rating", "strength"]),
  status: Schema.Literals(["received", "paired", "dropped", "superseded", "retracted"]),
  reason: Schema.optionalKey(Schema.String),
  labelledAt: Schema.optionalKey(Schema.Int),
  receivedAt: Schema.Int,
  processedAt: Schema.optionalKey(Schema.Int),
})

export const StoredPair = Schema.Struct({
  id: Schema.String,
  comparisonId: Schema.String,
  task: Schema.optionalKey(Schema.String),
  status: Schema.Literals(["ready", "dropped", "retracted"]),
  reason: Schema.optionalKey(Schema.String),
  weight: Schema.Finite,
  split: Split,
  promptTokens: Schema.Int,
  chosenTokens: Schema.Int,
  rejectedTokens: Schema.Int,
  createdAt: Schema.Int,
  text: Schema.optionalKey(Schema.Struct({ prompt: Text, chosen: Text, rejected: Text })),
})

const params = { id: Schema.String }

export const ComparisonsApi = HttpApiGroup.make("comparisons")
  .add(
    HttpApiEndpoint.post("create", "/v1/datasets/:id/comparisons", {
      params,
      headers: idempotencyHeaders,
      payload: Comparison,
      success: AcceptedComparison.pipe(HttpApiSchema.status(202)),
      error: [DatasetNotFound, InvalidComparison],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["ingest"]),
    HttpApiEndpoint.post("createMany", "/v1/datasets/:id/comparisons/bulk", {
      params,
      query: { format: Schema.optionalKey(BulkFormat) },
      headers: idempotencyHeaders,
      payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType: "application/x-ndjson" })),
      success: BulkReport.pipe(HttpApiSchema.status(202)),
      error: [DatasetNotFound, IdempotencyKeyMissing, IdempotencyKeyReused, BodyTooLarge, UnsupportedMedia],
    }).annotate(RequiredScopes, ["ingest"]),
    HttpApiEndpoint.get("list", "/v1/datasets/:id/comparisons", {
      params,
      query: { ...pageQuery, status: Schema.optionalKey(StoredComparison.fields.status) },
      success: Page(StoredComparison),
      error: [DatasetNotFound, InvalidCursor],
    }).annotate(RequiredScopes, ["read"]),
    HttpApiEndpoint.get("listPairs", "/v1/datasets/:id/pairs", {
      params,
      query: {
        ...pageQuery,
        status: Schema.optionalKey(StoredPair.fields.status),
        include: Schema.optionalKey(Schema.Literal("text")),
      },
      success: Page(StoredPair),
      error: [DatasetNotFound, InvalidCursor],
    }).annotate(RequiredScopes, ["read"]),
  )
  .middleware(Authorization)
