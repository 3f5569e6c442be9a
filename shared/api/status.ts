// Is it alive, and how far is it.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Count } from "#shared/domain/bounds.ts"
import { described } from "./described.ts"
import { Authorization, RequiredScopes } from "./middleware.ts"

const Counts = Schema.Record(Schema.String, Count)

export const Status = Schema.Struct({
  datasets: Count,
  /** By status. */
  comparisons: Counts,
  pairs: Counts,
  runs: Counts,
  evaluations: Counts,
  models: Count,
  /** Comparisons not yet processed; ages in milliseconds. */
  outbox: Schema.Struct({ waiting: Count, unsent: Count, oldestAgeMs: Schema.NullOr(Count) }),
  /** `sessions_opened`, `responses_computed`, `responses_from_cache`. */
  scorer: Counts,
  /** `datasets_deleted`, `blobs_deleted`, `runs_forgotten`, `metrics_forgotten`. */
  sweeps: Counts,
}).annotate({ identifier: "Status" })

/** What this is and where to go: `GET /`. */
export const Index = Schema.Struct({
  name: Schema.Literal("yohaku"),
  about: Schema.String,
  /** Paths below this address. */
  openapi: Schema.Literal("/openapi.json"),
  health: Schema.Literal("/healthz"),
  /** Needs an API key with the scope `read`. */
  status: Schema.Literal("/v1/status"),
  documentation: Schema.String,
}).annotate({ identifier: "Index" })

/** The same as a page, for who asks for `text/html`. */
const IndexPage = Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/html; charset=utf-8" }))

export const StatusApi = HttpApiGroup.make("status")
  .annotate(OpenApi.Description, "Is it alive, and how far is it.")
  .add(
    HttpApiEndpoint.get("index", "/", { success: [Index, IndexPage] }).annotateMerge(
      described("Where to go", "Needs no key. The same as a page for who asks for `text/html`.", {
        answer: {
          name: "yohaku",
          about: "Preferences in, adapters out.",
          openapi: "/openapi.json",
          health: "/healthz",
          status: "/v1/status",
          documentation: "docs/api.md of the project",
        },
        page: "<!doctype html>",
      }),
    ),
    HttpApiEndpoint.get("health", "/healthz", {
      success: Schema.Struct({ status: Schema.Literal("ok") }),
    }).annotateMerge(described("Is the service alive", "Needs no key.", { answer: { status: "ok" } })),
    HttpApiEndpoint.get("status", "/v1/status", { success: Status })
      .middleware(Authorization)
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "How far the service is",
          "Counts by status, what waits for the scorer, and what the scorer and the sweeps have done.",
          {
            answer: {
              datasets: 1,
              comparisons: { paired: 41 },
              pairs: { ready: 41 },
              runs: { succeeded: 1 },
              evaluations: { running: 1 },
              models: 2,
              outbox: { waiting: 0, unsent: 0, oldestAgeMs: null },
              scorer: { responses_computed: 82 },
              sweeps: { datasets_deleted: 1, blobs_deleted: 12 },
            },
          },
        ),
      ),
  )
