// /v1/runs, and starting one for a dataset
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { IdempotentRequest } from "#shared/api/middleware.ts"
import { StartedRun } from "#shared/api/runs.ts"
import { Run } from "#shared/domain/Run.ts"
import { Orchestrator, type OrchestratorProblem } from "../Orchestrator.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import { Datasets } from "../storage/Datasets.ts"
import { DEFAULT_LIMIT, decodeCursor } from "../storage/paging.ts"
import { listRuns } from "../storage/run-list.ts"

/** A question about a run can only fail because there is none. */
const onlyNotFound = <A>(call: Effect.Effect<A, OrchestratorProblem>) =>
  Effect.catchTags(call, { Conflict: Effect.die, StaleLease: Effect.die, UnusableRequest: Effect.die })

export const RunsLayer = HttpApiBuilder.group(
  YohakuApi,
  "runs",
  Effect.fnUntraced(function* (handlers) {
    const datasets = yield* Datasets
    const orchestrator = yield* Orchestrator
    const answers = yield* Answers

    return handlers
      .handle(
        "create",
        Effect.fnUntraced(function* ({ params: { id: datasetId }, payload }) {
          yield* datasets.get(datasetId)
          const identity = yield* IdempotentRequest
          // Two triggers with one key are one run, so a request that died after this line can be sent again.
          const key = `${identity.keyId}:${identity.key}`
          const started = yield* orchestrator
            .call("run", (rpc) => rpc.trigger({ datasetId, trigger: "api", key, ...payload }))
            .pipe(Effect.catchTags({ Conflict: Effect.die, StaleLease: Effect.die }))
          const answer = {
            status: 202,
            body: encodeAnswer(StartedRun, started),
            location: `/v1/runs/${encodeURIComponent(started.runId)}`,
          }
          return yield* answers.commit(identity, [], answer).pipe(Effect.catchTag("AlreadyExists", Effect.die))
        }),
      )
      .handle("trigger", ({ params: { id } }) =>
        Effect.andThen(datasets.get(id), onlyNotFound(orchestrator.call("run", (rpc) => rpc.automaticRuns(id)))),
      )
      .handle(
        "list",
        Effect.fnUntraced(function* ({ query: { cursor, limit, datasetId } }) {
          return yield* listRuns(datasetId, yield* decodeCursor(cursor), limit ?? DEFAULT_LIMIT)
        }),
      )
      .handle("get", ({ params: { id } }) => onlyNotFound(orchestrator.call("run", (rpc) => rpc.getRun(id))))
      .handle(
        "cancel",
        Effect.fnUntraced(function* ({ params: { id } }) {
          const run = yield* orchestrator
            .call("run", (rpc) => rpc.cancelRun(id))
            .pipe(Effect.catchTags({ StaleLease: Effect.die, UnusableRequest: Effect.die }))
          return yield* answers
            .commit(yield* IdempotentRequest, [], { status: 200, body: encodeAnswer(Run, run) })
            .pipe(Effect.catchTag("AlreadyExists", Effect.die))
        }),
      )
      .handle("metrics", ({ params: { id } }) =>
        onlyNotFound(orchestrator.call("run", (rpc) => rpc.runMetrics(id))).pipe(
          Effect.map((lines) => lines.map((line) => `${line}\n`).join("")),
        ),
      )
  }),
)
