// /v1/blobs and /v1/models
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { IdempotentRequest } from "#shared/api/middleware.ts"
import type { NewModel } from "#shared/api/models.ts"
import { ModelIncomplete, NotFound } from "#shared/api/problems.ts"
import { ChannelPointer, isWeights, ModelVersion, missingOfModel } from "#shared/domain/Model.ts"
import { receiveBlob, sendBlob } from "../http/blob-transfer.ts"
import { Orchestrator, type OrchestratorProblem } from "../Orchestrator.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import { Blobs } from "../storage/Blobs.ts"
import { Models } from "../storage/Models.ts"
import { productionWatch } from "../storage/production-watch.ts"

const CONCURRENT_LOOKUPS = 6

/** Only a job has a lease. */
const noLeases = <A>(call: Effect.Effect<A, OrchestratorProblem>) => Effect.catchTag(call, "StaleLease", Effect.die)

/** What may be in the way of a new model. */
const refusals = <A>(call: Effect.Effect<A, OrchestratorProblem>) =>
  Effect.catchTags(call, { StaleLease: Effect.die, NotFound: Effect.die })

/** The registry does a request once under its key, also where the request dies before its answer is remembered. */
const operationOf = ({ keyId, key }: IdempotentRequest["Service"]) =>
  key === undefined ? {} : { operation: `${keyId}:${key}` }

export const ModelsLayer = HttpApiBuilder.group(
  YohakuApi,
  "models",
  Effect.fnUntraced(function* (handlers) {
    const blobs = yield* Blobs
    const models = yield* Models
    const orchestrator = yield* Orchestrator
    const answers = yield* Answers

    const checkFiles = Effect.fnUntraced(function* ({ files, source }: typeof NewModel.Type) {
      const missing = missingOfModel(files)
      if (missing.length > 0)
        return yield* new ModelIncomplete({
          missing,
          detail: `The model lacks ${missing.join(", ")}; upload and name them.`,
        })
      const sizes = yield* Effect.forEach(
        Object.entries(files).filter(([name]) => source === undefined || !isWeights(name)),
        ([name, digest]) => Effect.map(blobs.size(digest), (size) => ({ name, size })),
        { concurrency: CONCURRENT_LOOKUPS },
      )
      const absent = sizes.filter(({ size }) => size === undefined).map(({ name }) => name)
      if (absent.length > 0)
        return yield* new ModelIncomplete({
          missing: absent,
          detail: `The blobs of ${absent.join(", ")} are not stored; upload them with PUT /v1/blobs/{digest} or, in parts, POST /v1/uploads first.`,
        })
    })

    /** What the registry has done is remembered after it: repeating it changes nothing. */
    const remember = Effect.fnUntraced(function* (status: number, body: string) {
      return yield* answers
        .commit(yield* IdempotentRequest, [], { status, body })
        .pipe(Effect.catchTag("AlreadyExists", Effect.die))
    })

    return handlers
      .handleRaw("putBlob", ({ params: { digest } }) => receiveBlob(digest))
      .handle("getBlob", ({ params: { digest } }) => sendBlob(digest))
      .handle(
        "create",
        Effect.fnUntraced(function* ({ payload }) {
          const { name, kind } = payload
          yield* refusals(orchestrator.call("model", (rpc) => rpc.checkModelName({ name, kind })))
          yield* checkFiles(payload)
          const version = yield* refusals(orchestrator.call("model", (rpc) => rpc.registerModel(payload)))
          return yield* remember(201, encodeAnswer(ModelVersion, version))
        }),
      )
      .handle("list", () => Effect.map(models.list, (items) => ({ items })))
      .handle(
        "get",
        Effect.fnUntraced(function* ({ params: { name } }) {
          const versions = yield* models.versions(name)
          if (versions.length === 0)
            return yield* new NotFound({
              resource: "model",
              detail: `There is no model ${JSON.stringify(name)}; GET /v1/models lists what there is.`,
            })
          const channels = yield* Effect.orDie(orchestrator.call("model", (rpc) => rpc.channels(name)))
          const watch = yield* productionWatch(versions, channels)
          return { name, versions, channels, ...(watch.length === 0 ? {} : { watch }) }
        }),
      )
      .handle(
        "moveChannel",
        Effect.fnUntraced(function* ({ params: { name, channel }, payload: { version } }) {
          const operation = operationOf(yield* IdempotentRequest)
          const pointer = yield* noLeases(
            orchestrator.call("model", (rpc) => rpc.moveChannel({ name, channel, version, ...operation })),
          )
          return yield* remember(200, encodeAnswer(ChannelPointer, pointer))
        }),
      )
      .handle(
        "rollback",
        Effect.fnUntraced(function* ({ params: { name } }) {
          const operation = operationOf(yield* IdempotentRequest)
          const pointer = yield* noLeases(orchestrator.call("channel", (rpc) => rpc.rollback({ name, ...operation })))
          return yield* remember(200, encodeAnswer(ChannelPointer, pointer))
        }),
      )
  }),
)
