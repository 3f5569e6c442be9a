// Evaluations of a model: its answers held against others' by a judge.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Version } from "#shared/domain/bounds.ts"
import { EvaluationSettings, MOST_OPPONENTS } from "#shared/domain/EvaluationSettings.ts"
import { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import { ModelReference } from "#shared/domain/ModelReference.ts"
import { described } from "./described.ts"
import { EVALUATION, EVALUATION_ID } from "./examples.ts"
import { Authorization, BodyGuard, Idempotency, IdempotencyKeyOptional, RequiredScopes } from "./middleware.ts"
import { evaluatedParams, evaluationParams, idempotencyHeaders, Page, pageQuery } from "./parameters.ts"
import { Conflict, InvalidCursor, NotFound, UnusableRequest } from "./problems.ts"

export const NewEvaluation = Schema.Struct({
  /** The model's version whose answers are evaluated. */
  version: Version,
  /** Whose answers they are held against; absent: what production serves, where that is another version, and the model's base. */
  against: Schema.optionalKey(Schema.Array(ModelReference).check(Schema.isBetweenLength(1, MOST_OPPONENTS))),
  ...EvaluationSettings.fields,
}).annotate({ identifier: "NewEvaluation" })

/** `created` is false where it was there: of the same Idempotency-Key, whose first answer was lost before it was stored. */
export const StartedEvaluation = Schema.Struct({ evaluationId: Schema.String, created: Schema.Boolean }).annotate({
  identifier: "StartedEvaluation",
})

export const EvaluationsApi = HttpApiGroup.make("evaluations")
  .annotate(OpenApi.Description, "Answers of models, held against each other by a judge.")
  .add(
    HttpApiEndpoint.post("create", "/v1/models/:name/evaluations", {
      params: evaluatedParams,
      headers: idempotencyHeaders,
      payload: NewEvaluation,
      success: StartedEvaluation.pipe(HttpApiSchema.status(202)),
      error: [NotFound, UnusableRequest],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(RequiredScopes, ["train"])
      .annotateMerge(
        described(
          "Evaluate a model",
          "Runners have it and the others answer the prompts of a suite, an uploaded blob; a model of the registry that was trained on what people prefer judges each pair of answers, or a runner asks one behind an OpenAI-compatible endpoint. Files are pinned now: what happens to models later does not reach it. The Idempotency-Key is the evaluation's.",
          {
            body: {
              version: 2,
              prompts: EVALUATION.prompts,
              judge: EVALUATION.judge,
              answering: { maxTokens: 128 },
            },
            answer: { evaluationId: EVALUATION_ID, created: true },
          },
        ),
      ),
    HttpApiEndpoint.get("list", "/v1/models/:name/evaluations", {
      params: evaluatedParams,
      query: pageQuery,
      success: Page(ModelEvaluation),
      error: InvalidCursor,
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described("List evaluations", "Of one model, the newest first, a page at a time.", {
          answer: { items: [EVALUATION] },
        }),
      ),
    HttpApiEndpoint.get("get", "/v1/models/:name/evaluations/:id", {
      params: evaluationParams,
      success: ModelEvaluation,
      error: NotFound,
    })
      .annotate(RequiredScopes, ["read"])
      .annotateMerge(
        described(
          "Read an evaluation",
          `Its step, its job's progress, and in the end win rates with 95 % intervals: counted, as the mean of the judge's probabilities, at equal length, and by group of the prompts' metadata. All answers, the judge's log-probs (of an endpoint, its raw answers) and the numbers are blobs; they go a month after its end, the numbers here stay.`,
          { answer: EVALUATION },
        ),
      ),
    HttpApiEndpoint.post("cancel", "/v1/models/:name/evaluations/:id/cancel", {
      params: evaluationParams,
      headers: idempotencyHeaders,
      success: ModelEvaluation,
      error: [NotFound, Conflict],
    })
      .middleware(Idempotency)
      .middleware(BodyGuard)
      .annotate(IdempotencyKeyOptional, true)
      .annotate(RequiredScopes, ["train"])
      .annotateMerge(
        described(
          "Cancel an evaluation",
          "For good. Its runner is refused at its next call, and its judge is asked nothing more; one that has succeeded or failed is a conflict.",
          { answer: { ...EVALUATION, status: "cancelled", step: "generate", detail: {}, error: "it was cancelled" } },
        ),
      ),
  )
  .middleware(Authorization)
