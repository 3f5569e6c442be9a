// Runs of the Retrain workflow: started here, followed here.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { StoredName } from "#shared/domain/bounds.ts"
import { ModelName } from "#shared/domain/Dataset.ts"
import { PromotionPolicy, Run } from "#shared/domain/Run.ts"
import { RunLimits } from "#shared/domain/RunLimits.ts"
import { TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { AutomaticRuns } from "#shared/domain/Trigger.ts"
import { Authorization, BodyGuard, Idempotency, IdempotencyKeyOptional, RequiredScopes } from "./middleware.ts"
import { idempotencyHeaders, Page, pageQuery } from "./parameters.ts"
import { Conflict, DatasetNotFound, InvalidCursor, NotFound, UnusableRequest } from "./problems.ts"

export const NewRun = Schema.Struct({
  /** Overrides of the dataset's training options. */
  config: Schema.optionalKey(TrainConfigInput),
  promotion: Schema.optionalKey(PromotionPolicy),
  /** The adapter's name in the registry; the dataset's id by default. */
  modelName: Schema.optionalKey(ModelName),
  /** Whether comparisons that came before it are waited for, a minute at most; true. Those that it leaves out are counted. */
  waitForIngest: Schema.optionalKey(Schema.Boolean),
  /** How long it may take, in place of the dataset's `runLimits`. */
  limits: Schema.optionalKey(RunLimits),
  /** A run of its own, though one that trains the same is under way; false. */
  force: Schema.optionalKey(Schema.Boolean),
})

/** `created` is false where the run was there: of the same Idempotency-Key, or one that trains the same and is under way. */
export const StartedRun = Schema.Struct({ runId: Schema.String, created: Schema.Boolean })

const params = { id: StoredName }

export const RunsApi = HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.get("trigger", "/v1/datasets/:id/trigger", {
      params,
      success: AutomaticRuns,
      error: [DatasetNotFound, NotFound],
    }).annotate(RequiredScopes, ["read"]),
    HttpApiEndpoint.post("create", "/v1/datasets/:id/runs", {
      params,
      headers: idempotencyHeaders,
      payload: NewRun,
      success: StartedRun.pipe(HttpApiSchema.status(202)),
      error: [DatasetNotFound, NotFound, Conflict, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"]),
    HttpApiEndpoint.get("list", "/v1/runs", {
      query: { ...pageQuery, datasetId: Schema.optionalKey(StoredName) },
      success: Page(Run),
      error: InvalidCursor,
    }).annotate(RequiredScopes, ["read"]),
    HttpApiEndpoint.get("get", "/v1/runs/:id", { params, success: Run, error: NotFound }).annotate(RequiredScopes, [
      "read",
    ]),
    HttpApiEndpoint.post("cancel", "/v1/runs/:id/cancel", {
      params,
      headers: idempotencyHeaders,
      success: Run,
      error: [NotFound, Conflict],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(IdempotencyKeyOptional, true)
      .annotate(RequiredScopes, ["train"]),
    HttpApiEndpoint.get("metrics", "/v1/runs/:id/metrics", {
      params,
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" })),
      error: NotFound,
    }).annotate(RequiredScopes, ["read"]),
  )
  .middleware(Authorization)
