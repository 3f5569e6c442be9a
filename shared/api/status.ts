// Is it alive, and how far is it.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Authorization, RequiredScopes } from "./middleware.ts"

const Counts = Schema.Record(Schema.String, Schema.Int)

export const Status = Schema.Struct({
  datasets: Schema.Int,
  /** By status. */
  comparisons: Counts,
  pairs: Counts,
  runs: Counts,
  models: Schema.Int,
  /** Comparisons not yet processed; ages in milliseconds. */
  outbox: Schema.Struct({ waiting: Schema.Int, unsent: Schema.Int, oldestAgeMs: Schema.NullOr(Schema.Int) }),
  /** `sessions_opened`, `responses_computed`, `responses_from_cache`. */
  scorer: Counts,
})

export const StatusApi = HttpApiGroup.make("status").add(
  HttpApiEndpoint.get("health", "/healthz", { success: Schema.Struct({ status: Schema.Literal("ok") }) }),
  HttpApiEndpoint.get("status", "/v1/status", { success: Status })
    .middleware(Authorization)
    .annotate(RequiredScopes, ["read"]),
)
