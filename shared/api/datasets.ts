// Datasets, and the webhook endpoints that feed them.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { StoredName } from "#shared/domain/bounds.ts"
import { Dataset, DatasetCounts, DatasetId, ModelName, NearRepeats, PromptForm } from "#shared/domain/Dataset.ts"
import { RunLimits } from "#shared/domain/RunLimits.ts"
import { TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { WebhookEndpoint, WebhookMapping, WebhookSource } from "#shared/domain/WebhookEndpoint.ts"
import { Authorization, BodyGuard, Idempotency, RequiredScopes } from "./middleware.ts"
import { idempotencyHeaders, Page, pageQuery } from "./parameters.ts"
import {
  Conflict,
  DatasetNotFound,
  InvalidCursor,
  NotFound,
  ReferenceModelUnusable,
  UnusableRequest,
} from "./problems.ts"

export const DEFAULT_MAX_LENGTH_TOKENS = 1024
const MAX_SYSTEM_TEXT_CHARACTERS = 32_768

export const NewDataset = Schema.Struct({
  id: DatasetId,
  /** The newest version where none is named. */
  referenceModel: Schema.Struct({ name: ModelName, version: Schema.optionalKey(Schema.Int) }),
  /** Chat where the model has a chat template, else text, when absent. */
  promptForm: Schema.optionalKey(PromptForm),
  /** Of conversations only. */
  systemText: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(MAX_SYSTEM_TEXT_CHARACTERS))),
  /** Tokens; `DEFAULT_MAX_LENGTH_TOKENS` when absent. */
  maxLength: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 1_048_576 }))),
  retrainThreshold: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 }))),
  retrainConfig: Schema.optionalKey(TrainConfigInput),
  /** Seconds without a new pair before the threshold starts a run, at most ten times as long after it was reached; 0. */
  quietSeconds: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400 }))),
  runLimits: Schema.optionalKey(RunLimits),
})

export const DatasetWithCounts = Schema.Struct({ ...Dataset.fields, counts: DatasetCounts, split: NearRepeats })

export const NewWebhookEndpoint = Schema.Struct({
  source: WebhookSource,
  mapping: Schema.optionalKey(WebhookMapping),
  /** `whsec_` and base64 for Argilla and retrain, at least 16 characters for Label Studio; made where absent. */
  secret: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(200))),
})

/** `secret` is shown here and never again. */
export const MadeWebhookEndpoint = Schema.Struct({
  ...WebhookEndpoint.fields,
  /** Where the tool must deliver, below this API's address. */
  path: Schema.String,
  secret: Schema.String,
})

const params = { id: StoredName }

export const DatasetsApi = HttpApiGroup.make("datasets")
  .add(
    HttpApiEndpoint.post("create", "/v1/datasets", {
      headers: idempotencyHeaders,
      payload: NewDataset,
      success: Dataset.pipe(HttpApiSchema.status(201)),
      error: [Conflict, ReferenceModelUnusable, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"]),
    HttpApiEndpoint.get("list", "/v1/datasets", {
      query: pageQuery,
      success: Page(Dataset),
      error: InvalidCursor,
    }).annotate(RequiredScopes, ["read"]),
    HttpApiEndpoint.get("get", "/v1/datasets/:id", {
      params,
      success: DatasetWithCounts,
      error: DatasetNotFound,
    }).annotate(RequiredScopes, ["read"]),
    HttpApiEndpoint.post("createWebhook", "/v1/datasets/:id/webhooks", {
      params,
      headers: idempotencyHeaders,
      payload: NewWebhookEndpoint,
      success: MadeWebhookEndpoint.pipe(HttpApiSchema.status(201)),
      error: [DatasetNotFound, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["admin"]),
    HttpApiEndpoint.get("listWebhooks", "/v1/datasets/:id/webhooks", {
      params,
      success: Schema.Struct({ items: Schema.Array(WebhookEndpoint) }),
      error: DatasetNotFound,
    }).annotate(RequiredScopes, ["admin"]),
    HttpApiEndpoint.post("rotateWebhook", "/v1/datasets/:id/webhooks/:endpointId/rotate", {
      params: { ...params, endpointId: StoredName },
      headers: idempotencyHeaders,
      success: MadeWebhookEndpoint,
      error: [NotFound, Conflict],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["admin"]),
  )
  .middleware(Authorization)
