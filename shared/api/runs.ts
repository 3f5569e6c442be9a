// Runs of the Retrain workflow: started here, followed here.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { StoredName } from "#shared/domain/bounds.ts"
import { ModelName, ModelReference } from "#shared/domain/Dataset.ts"
import { PromotionPolicy, Run } from "#shared/domain/Run.ts"
import { RunLimits } from "#shared/domain/RunLimits.ts"
import { TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { AutomaticRuns } from "#shared/domain/Trigger.ts"
import { described } from "./described.ts"
import { DATASET_ID, METRICS, RUN, RUN_ID } from "./examples.ts"
import { Authorization, BodyGuard, Idempotency, IdempotencyKeyOptional, RequiredScopes } from "./middleware.ts"
import { datasetParams, idempotencyHeaders, Page, pageQuery, runParams } from "./parameters.ts"
import { Conflict, DatasetNotFound, InvalidCursor, NotFound, UnusableRequest } from "./problems.ts"

export const NewRun = Schema.Struct({
  /** Overrides of the dataset's training options. */
  config: Schema.optionalKey(TrainConfigInput),
  promotion: Schema.optionalKey(PromotionPolicy),
  /** The adapter's name in the registry; the dataset's id by default. */
  modelName: Schema.optionalKey(ModelName),
  /**
   * An adapter of the registry, trained on the dataset's base, that training starts from. Its rank, alpha and targets are the run's, and the
   * base with it the reference that the method reads; the gates compare with the base alone.
   */
  startFrom: Schema.optionalKey(ModelReference),
  /** Whether comparisons that came before it are waited for, a minute at most; true. Those that it leaves out are counted. */
  waitForIngest: Schema.optionalKey(Schema.Boolean),
  /** How long it may take, in place of the dataset's `runLimits`. */
  limits: Schema.optionalKey(RunLimits),
  /** A run of its own, though one that trains the same is under way; false. */
  force: Schema.optionalKey(Schema.Boolean),
}).annotate({ identifier: "NewRun" })

/**
 * `created` is false where the run was there: one that trains the same and is under way, or of the same Idempotency-Key, whose first answer
 * was lost before it was stored; only such a run may have ended, and says how in `status` and `error`.
 */
export const StartedRun = Schema.Struct({
  runId: Schema.String,
  created: Schema.Boolean,
  status: Schema.optionalKey(Schema.Literals(["succeeded", "failed", "cancelled"])),
  error: Schema.optionalKey(Schema.String),
}).annotate({
  identifier: "StartedRun",
})

const params = runParams

export const RunsApi = HttpApiGroup.make("runs")
  .annotate(OpenApi.Description, "Runs of the workflow that trains, evaluates and promotes.")
  .add(
    HttpApiEndpoint.get("trigger", "/v1/datasets/:id/trigger", {
      params: datasetParams,
      success: AutomaticRuns,
      error: [DatasetNotFound, NotFound],
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "Why no run starts by itself",
          "Ready pairs against the threshold, and what the last automatic run came to.",
          {
            answer: {
              state: "waiting",
              reason: "3 pairs are new since the last run, and 10 start one",
              threshold: 10,
              newPairs: 3,
              trainPairs: 2,
              heldOutPairs: 1,
              failures: 0,
            },
          },
        ),
      ),
    HttpApiEndpoint.post("create", "/v1/datasets/:id/runs", {
      params: datasetParams,
      headers: idempotencyHeaders,
      payload: NewRun,
      success: StartedRun.pipe(HttpApiSchema.status(202)),
      error: [DatasetNotFound, NotFound, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"])
      .annotateMerge(
        described(
          "Start a run",
          "Snapshot, score, pack, train, evaluate, compare (where the dataset states an evaluation), promote. `config` overrides the options of the dataset. The Idempotency-Key is the run's.",
          {
            body: { config: { method: "dpo", beta: 0.1 }, promotion: "never", modelName: "support-dpo" },
            answer: { runId: RUN_ID, created: true },
          },
        ),
      ),
    HttpApiEndpoint.get("list", "/v1/runs", {
      query: {
        ...pageQuery,
        datasetId: Schema.optionalKey(
          StoredName.annotate({ description: "Of this dataset alone.", examples: [DATASET_ID] }),
        ),
      },
      success: Page(Run),
      error: InvalidCursor,
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described("List runs", "The newest first, a page at a time; of one dataset where it is given.", {
          answer: { items: [RUN] },
        }),
      ),
    HttpApiEndpoint.get("get", "/v1/runs/:id", { params, success: Run, error: NotFound })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "Read a run",
          "Its step, the detail of every finished step, the progress of its job, and why it stands still where it does.",
          { answer: RUN },
        ),
      ),
    HttpApiEndpoint.post("cancel", "/v1/runs/:id/cancel", {
      params,
      headers: idempotencyHeaders,
      success: Run,
      error: [NotFound, Conflict],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(IdempotencyKeyOptional, true)
      .annotate(RequiredScopes, ["train"])
      .annotateMerge(
        described(
          "Cancel a run",
          "For good. Its runner is refused at its next call; a run that has succeeded or failed is a conflict.",
          { answer: { ...RUN, status: "cancelled", error: "it was cancelled" } },
        ),
      ),
    HttpApiEndpoint.get("metrics", "/v1/runs/:id/metrics", {
      params,
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" })),
      error: NotFound,
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(described("Read the metrics of a run", "NDJSON, an object a step.", { answer: METRICS })),
  )
  .middleware(Authorization)
