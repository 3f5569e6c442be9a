// /v1/models/{name}/evaluations
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { StartedEvaluation } from "#shared/api/evaluations.ts"
import { IdempotentRequest } from "#shared/api/middleware.ts"
import { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import { Orchestrator } from "../Orchestrator.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import { listEvaluations } from "../storage/evaluation-list.ts"
import { DEFAULT_LIMIT, decodeCursor } from "../storage/paging.ts"

export const EvaluationsLayer = HttpApiBuilder.group(
  YohakuApi,
  "evaluations",
  Effect.fnUntraced(function* (handlers) {
    const orchestrator = yield* Orchestrator
    const answers = yield* Answers

    return handlers
      .handle(
        "create",
        Effect.fnUntraced(function* ({ params: { name: modelName }, payload }) {
          const identity = yield* IdempotentRequest
          // Two requests with one key are one evaluation, so a request that died after this line can be sent again.
          const key = `${identity.keyId}:${identity.key}`
          const started = yield* orchestrator
            .call("model", (rpc) => rpc.evaluate({ modelName, key, ...payload }))
            .pipe(Effect.catchTags({ Conflict: Effect.die, StaleLease: Effect.die }))
          const answer = {
            status: 202,
            body: encodeAnswer(StartedEvaluation, started),
            location: `/v1/models/${encodeURIComponent(modelName)}/evaluations/${encodeURIComponent(started.evaluationId)}`,
          }
          return yield* answers.commit(identity, [], answer).pipe(Effect.catchTag("AlreadyExists", Effect.die))
        }),
      )
      .handle(
        "list",
        Effect.fnUntraced(function* ({ params: { name }, query: { cursor, limit } }) {
          return yield* listEvaluations(name, yield* decodeCursor(cursor), limit ?? DEFAULT_LIMIT)
        }),
      )
      .handle("get", ({ params: { name: modelName, id } }) =>
        orchestrator
          .call("evaluation", (rpc) => rpc.getEvaluation({ modelName, id }))
          .pipe(Effect.catchTags({ Conflict: Effect.die, StaleLease: Effect.die, UnusableRequest: Effect.die })),
      )
      .handle(
        "cancel",
        Effect.fnUntraced(function* ({ params: { name: modelName, id } }) {
          const evaluation = yield* orchestrator
            .call("evaluation", (rpc) => rpc.cancelEvaluation({ modelName, id }))
            .pipe(Effect.catchTags({ StaleLease: Effect.die, UnusableRequest: Effect.die }))
          return yield* answers
            .commit(yield* IdempotentRequest, [], { status: 200, body: encodeAnswer(ModelEvaluation, evaluation) })
            .pipe(Effect.catchTag("AlreadyExists", Effect.die))
        }),
      )
  }),
)
