// Is it alive, and how far is it.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
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
})

/** The same as a page, for who asks for `text/html`. */
const IndexPage = Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/html; charset=utf-8" }))

export const StatusApi = HttpApiGroup.make("status").add(
  HttpApiEndpoint.get("index", "/", { success: [Index, IndexPage] }),
  HttpApiEndpoint.get("health", "/healthz", { success: Schema.Struct({ status: Schema.Literal("ok") }) }),
  HttpApiEndpoint.get("status", "/v1/status", { success: Status })
    .middleware(Authorization)
    .annotate(RequiredScopes, ["read"]),
)
