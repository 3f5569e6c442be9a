// Comparisons go in one by one or as NDJSON and become pairs. An answer of 202 means that nothing can lose them any more.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { BOUNDS, Count, nameOf, StoredName, TimeMs } from "#shared/domain/bounds.ts"
import { Comparison, Source, Text } from "#shared/judgement/Comparison.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { Split } from "#shared/wire/pair-identity.ts"
import { described } from "./described.ts"
import { AT_MS, COMPARISON, COMPARISON_ID } from "./examples.ts"
import { Authorization, BodyGuard, Idempotency, RequiredScopes } from "./middleware.ts"
import { datasetParams, idempotencyHeaders, Page, pageQuery } from "./parameters.ts"
import {
  BodyTooLarge,
  DatasetNotFound,
  IdempotencyKeyMissing,
  IdempotencyKeyReused,
  InvalidComparison,
  InvalidCursor,
  InvalidRequest,
  UnsupportedMedia,
} from "./problems.ts"

export const AcceptedComparison = Schema.Struct({
  id: Schema.String,
  /** `duplicate`: exactly this is stored. `superseded`: a later judgement of the same thing is. `retracted`: it was taken back after that. */
  status: Schema.Literals(["accepted", "duplicate", "superseded", "retracted"]),
}).annotate({ identifier: "AcceptedComparison" })

/** The problem of one line, as it would have been answered alone. */
export const LineProblem = Schema.Struct({
  type: Schema.String,
  status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })),
  title: Schema.String,
  detail: Schema.optionalKey(Schema.String),
  reason: Schema.optionalKey(Schema.String),
}).annotate({ identifier: "LineProblem" })
export type LineProblem = typeof LineProblem.Type

/**
 * Lines count from 1. At most `LIMITS.reportedLines` rejected lines are listed; `rejectedLines` counts all. `superseded` counts judgements
 * that a later one of the same name took the place of, `retracted` those that counted until a row stated nothing any more.
 */
export const BulkReport = Schema.Struct({
  accepted: Count,
  duplicates: Count,
  superseded: Schema.optionalKey(Count),
  retracted: Schema.optionalKey(Count),
  rejectedLines: Count,
  rejected: Schema.Array(
    Schema.Struct({ line: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)), problem: LineProblem }),
  ),
}).annotate({ identifier: "BulkReport" })
export type BulkReport = typeof BulkReport.Type

export const BulkFormat = Schema.Literals(["comparisons", "rows"])

export const StoredComparison = Schema.Struct({
  id: Schema.String,
  source: Source,
  externalId: Schema.String,
  annotator: Schema.optionalKey(Schema.String),
  task: Schema.optionalKey(Schema.String),
  judgementKind: Schema.Literals(["choice", "tie", "ranking", "rating", "strength", "verdict"]),
  status: Schema.Literals(["received", "paired", "dropped", "parked", "superseded", "retracted"]),
  reason: Schema.optionalKey(Schema.String),
  labelledAt: Schema.optionalKey(Schema.Int),
  receivedAt: TimeMs,
  processedAt: Schema.optionalKey(TimeMs),
  /** The webhook endpoint that it came through, and the tool's project (dataset) that it stands in. */
  endpointId: Schema.optionalKey(Schema.String),
  toolProject: Schema.optionalKey(Schema.String),
}).annotate({ identifier: "StoredComparison" })

/** Ids of parked comparisons; all of the dataset, the oldest `LIMITS.replayedAtOnce` first, where none are named. */
export const Replay = Schema.Struct({
  ids: Schema.optionalKey(Schema.Array(nameOf(BOUNDS.identifier)).check(Schema.isMaxLength(LIMITS.replayedAtOnce))),
}).annotate({ identifier: "Replay" })

export const Replayed = Schema.Struct({ replayed: Count }).annotate({ identifier: "Replayed" })

/** What is taken back, as of a time (ISO 8601), or of now: what was said of it later counts. */
export const Retract = Schema.Struct({
  retractions: Schema.Array(
    Schema.Struct({ externalId: Comparison.fields.externalId, at: Comparison.fields.labelledAt }),
  ).check(Schema.isMinLength(1), Schema.isMaxLength(LIMITS.retractedAtOnce)),
}).annotate({ identifier: "Retract" })
export type Retract = typeof Retract.Type

export const Retracted = Schema.Struct({ retracted: Count }).annotate({ identifier: "Retracted" })

export const StoredPair = Schema.Struct({
  id: Schema.String,
  comparisonId: Schema.String,
  task: Schema.optionalKey(Schema.String),
  status: Schema.Literals(["ready", "dropped", "retracted"]),
  reason: Schema.optionalKey(Schema.String),
  weight: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)),
  split: Split,
  /** Labellers who state it, and who state the same responses the other way round. */
  votesFor: Count,
  votesAgainst: Count,
  promptTokens: Count,
  chosenTokens: Count,
  rejectedTokens: Count,
  createdAt: TimeMs,
  text: Schema.optionalKey(Schema.Struct({ prompt: Text, chosen: Text, rejected: Text })),
}).annotate({ identifier: "StoredPair" })

const params = datasetParams

export const ComparisonsApi = HttpApiGroup.make("comparisons")
  .annotate(OpenApi.Description, "What labellers said, and the pairs that it became.")
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
      .annotate(RequiredScopes, ["ingest"])
      .annotateMerge(
        described(
          "Send a comparison",
          'What somebody said about at least two candidates, or a verdict on one (`{"kind": "verdict", "value": "desirable"}`, or undesirable). `duplicate`: exactly this is stored. `superseded`: a later judgement of the same `externalId` is. `retracted`: it was taken back after that. The same `externalId` with another content replaces the earlier judgement and takes its pairs back.',
          { body: COMPARISON, answer: { id: COMPARISON_ID, status: "accepted" } },
        ),
      ),
    HttpApiEndpoint.post("createMany", "/v1/datasets/:id/comparisons/bulk", {
      params,
      query: {
        format: Schema.optionalKey(
          BulkFormat.annotate({ description: "What a line is; comparisons when absent.", examples: ["comparisons"] }),
        ),
      },
      headers: idempotencyHeaders,
      payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType: "application/x-ndjson" })),
      success: BulkReport.pipe(HttpApiSchema.status(202)),
      error: [
        DatasetNotFound,
        IdempotencyKeyMissing,
        IdempotencyKeyReused,
        InvalidRequest,
        BodyTooLarge,
        UnsupportedMedia,
      ],
    })
      .annotate(RequiredScopes, ["ingest"])
      .annotateMerge(
        described(
          "Send many comparisons",
          "NDJSON, a comparison a line, or with `format=rows` a preference row a line. At most 32 MiB, 10 000 lines and 256 KiB a line. A bad line does not stop the others: the report counts all and lists the first 100 with their problems. A row with a name that states nothing any more is such a line, and what it said before is taken back.",
          {
            body: `${JSON.stringify(COMPARISON)}\n${JSON.stringify({ ...COMPARISON, externalId: "ticket-43" })}\n`,
            answer: { accepted: 2, duplicates: 0, rejectedLines: 0, rejected: [] },
          },
        ),
      ),
    HttpApiEndpoint.post("retract", "/v1/datasets/:id/comparisons/retract", {
      params,
      headers: idempotencyHeaders,
      payload: Retract,
      success: Retracted.pipe(HttpApiSchema.status(202)),
      error: [DatasetNotFound, InvalidComparison],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["ingest"])
      .annotateMerge(
        described(
          "Take comparisons back",
          "By the `externalId` under which they were sent to this API: what was said of it up to `at`, or up to now, counts no more, and its pairs go. `retracted` says how many counted until then. What is said of it later counts again. What a labelling tool delivered is taken back in the tool.",
          { body: { retractions: [{ externalId: "ticket-43" }] }, answer: { retracted: 1 } },
        ),
      ),
    HttpApiEndpoint.post("replay", "/v1/datasets/:id/comparisons/replay", {
      params,
      headers: idempotencyHeaders,
      payload: Replay,
      success: Replayed.pipe(HttpApiSchema.status(202)),
      error: DatasetNotFound,
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"])
      .annotateMerge(
        described(
          "Put parked comparisons back on their way",
          "Parked is a comparison over which the scorer broke off five times. Without `ids` all of the dataset, the oldest 1 000 first.",
          { body: { ids: [COMPARISON_ID] }, answer: { replayed: 1 } },
        ),
      ),
    HttpApiEndpoint.get("list", "/v1/datasets/:id/comparisons", {
      params,
      query: {
        ...pageQuery,
        status: Schema.optionalKey(
          StoredComparison.fields.status.annotate({ description: "Of this status alone.", examples: ["received"] }),
        ),
        endpoint: Schema.optionalKey(StoredName.annotate({ description: "Through this webhook endpoint alone." })),
      },
      success: Page(StoredComparison),
      error: [DatasetNotFound, InvalidCursor],
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "List comparisons",
          "Without their texts, a page at a time; of one status or one webhook endpoint where these are given.",
          {
            answer: {
              items: [
                {
                  id: COMPARISON_ID,
                  source: "api",
                  externalId: "ticket-42",
                  annotator: "hana",
                  task: "refunds",
                  judgementKind: "choice",
                  status: "paired",
                  labelledAt: AT_MS,
                  receivedAt: AT_MS,
                  processedAt: AT_MS,
                },
              ],
            },
          },
        ),
      ),
    HttpApiEndpoint.get("listPairs", "/v1/datasets/:id/pairs", {
      params,
      query: {
        ...pageQuery,
        status: Schema.optionalKey(
          StoredPair.fields.status.annotate({ description: "Of this status alone.", examples: ["ready"] }),
        ),
        include: Schema.optionalKey(
          Schema.Literal("text").annotate({ description: "With the texts.", examples: ["text"] }),
        ),
      },
      success: Page(StoredPair),
      error: [DatasetNotFound, InvalidCursor],
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "List pairs",
          "What comparisons became, a page at a time; with `include=text` the texts as they were delivered.",
          {
            answer: {
              items: [
                {
                  id: COMPARISON_ID,
                  comparisonId: COMPARISON_ID,
                  task: "refunds",
                  status: "ready",
                  weight: 1,
                  split: "train",
                  votesFor: 1,
                  votesAgainst: 0,
                  promptTokens: 12,
                  chosenTokens: 8,
                  rejectedTokens: 5,
                  createdAt: AT_MS,
                },
              ],
            },
          },
        ),
      ),
  )
  .middleware(Authorization)
