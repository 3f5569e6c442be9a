// Is it alive, and how far is it.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
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
  models: Count,
  /** Comparisons not yet processed; ages in milliseconds. */
  outbox: Schema.Struct({ waiting: Count, unsent: Count, oldestAgeMs: Schema.NullOr(Count) }),
  /** `sessions_opened`, `responses_computed`, `responses_from_cache`. */
  scorer: Counts,
}).annotate({ identifier: "Status" })

export const StatusApi = HttpApiGroup.make("status")
  .annotate(OpenApi.Description, "Is it alive, and how far is it.")
  .add(
    HttpApiEndpoint.get("health", "/healthz", {
      success: Schema.Struct({ status: Schema.Literal("ok") }),
    }).annotateMerge(described("Is the service alive", "Needs no key.", { answer: { status: "ok" } })),
    HttpApiEndpoint.get("status", "/v1/status", { success: Status })
      .middleware(Authorization)
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "How far the service is",
          "Counts by status, what waits for the scorer, and what the scorer has done.",
          {
            answer: {
              datasets: 1,
              comparisons: { paired: 41 },
              pairs: { ready: 41 },
              runs: { succeeded: 1 },
              models: 2,
              outbox: { waiting: 0, unsent: 0, oldestAgeMs: null },
              scorer: { responses_computed: 82 },
            },
          },
        ),
      ),
  )
