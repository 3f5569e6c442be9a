// Datasets, and the webhook endpoints that feed them.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { BOUNDS, Count, nameOf, TimeMs, Version } from "#shared/domain/bounds.ts"
import {
  Dataset,
  DatasetCounts,
  DatasetId,
  ModelName,
  NearRepeats,
  PromptForm,
  ReferencePlace,
  ReferencePrecision,
} from "#shared/domain/Dataset.ts"
import { EvaluationSettings } from "#shared/domain/EvaluationSettings.ts"
import { RunLimits } from "#shared/domain/RunLimits.ts"
import { SplitVotes } from "#shared/domain/SplitVotes.ts"
import { TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { WebhookEndpoint, WebhookMapping, WebhookSource } from "#shared/domain/WebhookEndpoint.ts"
import { FORM_OF_GATES, GatesDeclaration } from "#shared/gates/gates-declaration.ts"
import { described } from "./described.ts"
import { DATASET, ENDPOINT, MADE_ENDPOINT } from "./examples.ts"
import { Authorization, BodyGuard, Idempotency, RequiredScopes } from "./middleware.ts"
import { datasetParams, endpointParams, idempotencyHeaders, Page, pageQuery } from "./parameters.ts"
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

/** What is absent is decided: the place by what fits, the precision as `stored`. */
export const WantedReference = Schema.Struct({
  place: Schema.optionalKey(ReferencePlace),
  precision: Schema.optionalKey(ReferencePrecision),
}).annotate({ identifier: "WantedReference" })
export type WantedReference = typeof WantedReference.Type

export const NewDataset = Schema.Struct({
  id: DatasetId,
  /** The newest version where none is named. */
  referenceModel: Schema.Struct({ name: ModelName, version: Schema.optionalKey(Version) }),
  reference: Schema.optionalKey(WantedReference),
  /** Chat where the model has a chat template, else text, when absent. */
  promptForm: Schema.optionalKey(PromptForm),
  /** Of conversations only. */
  systemText: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(MAX_SYSTEM_TEXT_CHARACTERS))),
  /** Tokens, at most the base model's limit; `DEFAULT_MAX_LENGTH_TOKENS` when absent, or that limit where it is less. */
  maxLength: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 1_048_576 }))),
  /** majority when absent. */
  splitVotes: Schema.optionalKey(SplitVotes),
  retrainThreshold: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 }))),
  retrainConfig: Schema.optionalKey(TrainConfigInput),
  /** Seconds without a new pair before the threshold starts a run, at most ten times as long after it was reached; 0. */
  quietSeconds: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400 }))),
  runLimits: Schema.optionalKey(RunLimits),
  /** Compares the candidate of every run with production and its base by answers, before it is decided about. */
  evaluation: Schema.optionalKey(EvaluationSettings),
  /** The default gates when absent. */
  gates: Schema.optionalKey(GatesDeclaration),
}).annotate({ identifier: "NewDataset" })

const {
  reference,
  splitVotes,
  maxLength,
  retrainThreshold,
  retrainConfig,
  quietSeconds,
  runLimits,
  evaluation,
  gates,
} = NewDataset.fields
const orNothing = <A extends Schema.Top>(field: Schema.optionalKey<A>) =>
  Schema.optionalKey(Schema.NullOr(field.schema))

/** What is absent stays; null is as if a dataset were made without it. With another length, pairs are made again of what is stored. */
export const DatasetChange = Schema.Struct({
  reference: orNothing(reference),
  maxLength: orNothing(maxLength),
  splitVotes: orNothing(splitVotes),
  retrainThreshold: orNothing(retrainThreshold),
  retrainConfig: orNothing(retrainConfig),
  quietSeconds: orNothing(quietSeconds),
  runLimits: orNothing(runLimits),
  evaluation: orNothing(evaluation),
  gates: Schema.optionalKey(Schema.NullOr(gates.schema).annotate({ message: FORM_OF_GATES })),
}).annotate({ identifier: "DatasetChange" })
export type DatasetChange = typeof DatasetChange.Type

export const DatasetDeletion = Schema.Struct({
  id: DatasetId,
  deletedAt: TimeMs,
  /** Its judgements that are still to be deleted, and other things after them. */
  comparisonsLeft: Count,
}).annotate({ identifier: "DatasetDeletion" })
export type DatasetDeletion = typeof DatasetDeletion.Type

export const DatasetWithCounts = Schema.Struct({
  ...Dataset.fields,
  counts: DatasetCounts,
  split: NearRepeats,
  /** Since when pairs are made again to another `maxLength`; of those on their way `counts.waiting` tells. Absent: they are not. */
  deriving: Schema.optionalKey(Schema.Struct({ startedAt: TimeMs })),
}).annotate({ identifier: "DatasetWithCounts" })

export const NewWebhookEndpoint = Schema.Struct({
  source: WebhookSource,
  mapping: Schema.optionalKey(WebhookMapping),
  /** `whsec_` and base64 for Argilla and retrain, at least 16 characters for Label Studio; made where absent. */
  secret: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(200))),
}).annotate({ identifier: "NewWebhookEndpoint" })

/** `secret` is shown here and never again. */
export const MadeWebhookEndpoint = Schema.Struct({
  ...WebhookEndpoint.fields,
  /** Where the tool must deliver, below this API's address. */
  path: Schema.String,
  secret: Schema.String,
}).annotate({ identifier: "MadeWebhookEndpoint" })

const params = datasetParams

export const DatasetsApi = HttpApiGroup.make("datasets")
  .annotate(OpenApi.Description, "Datasets, and the webhook endpoints that feed them.")
  .add(
    HttpApiEndpoint.post("create", "/v1/datasets", {
      headers: idempotencyHeaders,
      payload: NewDataset,
      success: Dataset.pipe(HttpApiSchema.status(201)),
      error: [Conflict, ReferenceModelUnusable, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"])
      .annotateMerge(
        described(
          "Make a dataset",
          "A dataset belongs to one version of one base model, the newest where none is named, whose tokenizer and log-probs its pairs use. Where its log-probs are computed, at the edge or by runners, is decided by what fits, and said in `reference`; `reference.place` overrides it.",
          {
            body: {
              id: DATASET.id,
              referenceModel: DATASET.referenceModel,
              maxLength: 256,
              retrainThreshold: 500,
              retrainConfig: DATASET.retrainConfig,
            },
            answer: DATASET,
          },
        ),
      ),
    HttpApiEndpoint.get("list", "/v1/datasets", {
      query: pageQuery,
      success: Page(Dataset),
      error: InvalidCursor,
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described("List datasets", "In the order of their ids, a page at a time.", { answer: { items: [DATASET] } }),
      ),
    HttpApiEndpoint.get("get", "/v1/datasets/:id", {
      params,
      success: DatasetWithCounts,
      error: DatasetNotFound,
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "Read a dataset",
          "With how many of its comparisons and pairs are in each status, how many comparisons wait for the scorer, and how its labellers voted.",
          {
            answer: {
              ...DATASET,
              counts: {
                ...{ comparisons: { paired: 41, dropped: 1 }, pairs: { ready: 41 }, waiting: 0 },
                votes: { single: 37, agreed: 2, split: 2, leftOut: 1 },
                verdicts: { desirable: 0, undesirable: 0, pairs: 0 },
              },
              split: { nearRepeats: 0, ofHeldOut: 10, againstTrain: 31 },
            },
          },
        ),
      ),
    HttpApiEndpoint.patch("change", "/v1/datasets/:id", {
      params,
      payload: DatasetChange,
      success: Dataset,
      error: [DatasetNotFound, UnusableRequest],
    })
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"])
      .annotateMerge(
        described(
          "Change when and how a dataset trains",
          "What is absent stays as it is, null is as if the dataset were made without it; `retrainConfig` and `gates` are replaced as a whole. A `reference` is decided anew as it is named, its precision staying where none is named; null decides both by themselves. A `maxLength` above the base model's limit is refused. Runs that are under way keep what they began with. Another `splitVotes` holds from the next snapshot on: nobody is asked again, and nothing is tokenised again. With another `maxLength` pairs that were too long, or are now, are made again in the background from what is stored; reading the dataset shows `deriving` until all are on their way. The base model and the form of its prompts are what its pairs are made with: make another dataset for others.",
          { body: { retrainThreshold: 500, quietSeconds: null }, answer: DATASET },
        ),
      ),
    HttpApiEndpoint.delete("remove", "/v1/datasets/:id", {
      params,
      query: {
        confirm: nameOf(BOUNDS.identifier).annotate({
          description: "The dataset's id once more, as ?confirm={id}: a deletion cannot be undone.",
          examples: [DATASET.id],
        }),
      },
      success: DatasetDeletion.pipe(HttpApiSchema.status(202)),
      error: [DatasetNotFound, Conflict, UnusableRequest],
    })
      .annotate(RequiredScopes, ["admin"])
      .annotateMerge(
        described(
          "Delete a dataset with its data",
          "From the answer on it is as if it were gone, and its webhook endpoints answer 404; what is left of it is deleted in the background: judgements, texts, pairs, deliveries, and what its runs were trained on. The runs stay, and say when the dataset was deleted, and so do the models. The same request tells how far it is, and is answered 404 when nothing is left; the id is free then. A dataset with a run under way is not deleted.",
          { answer: { id: DATASET.id, deletedAt: DATASET.createdAt, comparisonsLeft: 42 } },
        ),
      ),
    HttpApiEndpoint.post("createWebhook", "/v1/datasets/:id/webhooks", {
      params,
      headers: idempotencyHeaders,
      payload: NewWebhookEndpoint,
      success: MadeWebhookEndpoint.pipe(HttpApiSchema.status(201)),
      error: [DatasetNotFound, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["admin"])
      .annotateMerge(
        described(
          "Make a webhook endpoint",
          "An address where a labelling tool delivers. The mapping says which fields of the tool hold what; the answer shows `path` and `secret` once.",
          { body: { source: ENDPOINT.source, mapping: ENDPOINT.mapping }, answer: MADE_ENDPOINT },
        ),
      ),
    HttpApiEndpoint.get("listWebhooks", "/v1/datasets/:id/webhooks", {
      params,
      success: Schema.Struct({ items: Schema.Array(WebhookEndpoint) }),
      error: DatasetNotFound,
    })
      .annotate(RequiredScopes, ["admin"])
      .annotateMerge(
        described("List webhook endpoints", "All of the dataset, without their secrets.", {
          answer: { items: [ENDPOINT] },
        }),
      ),
    HttpApiEndpoint.delete("deleteWebhook", "/v1/datasets/:id/webhooks/:endpointId", {
      params: { ...params, ...endpointParams },
      success: HttpApiSchema.NoContent,
      error: NotFound,
    })
      .annotate(RequiredScopes, ["admin"])
      .annotateMerge(
        described(
          "Delete a webhook endpoint",
          "It takes nothing any more, and its secrets are gone. Judgements that came through it stay: take them back in the tool before, or with `yohaku sync`.",
        ),
      ),
    HttpApiEndpoint.post("rotateWebhook", "/v1/datasets/:id/webhooks/:endpointId/rotate", {
      params: { ...params, ...endpointParams },
      headers: idempotencyHeaders,
      success: MadeWebhookEndpoint,
      error: [NotFound, Conflict],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["admin"])
      .annotateMerge(
        described(
          "Make a new secret for an endpoint",
          "The newest two secrets are valid. Of several rotations at once one succeeds and the others are a conflict.",
          { answer: MADE_ENDPOINT },
        ),
      ),
  )
  .middleware(Authorization)
