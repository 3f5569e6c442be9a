// /v1/datasets, and the webhook endpoints below them
import { Clock, Effect, Exit, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import {
  type DatasetChange,
  DEFAULT_MAX_LENGTH_TOKENS,
  MadeWebhookEndpoint,
  type WantedReference,
} from "#shared/api/datasets.ts"
import { IdempotentRequest } from "#shared/api/middleware.ts"
import { Conflict, UnusableRequest } from "#shared/api/problems.ts"
import { Dataset, type ModelReference, type Reference } from "#shared/domain/Dataset.ts"
import type { EvaluationSettings } from "#shared/domain/EvaluationSettings.ts"
import { DEFAULT_SPLIT_VOTES } from "#shared/domain/SplitVotes.ts"
import { unservableConfig, unservableLength } from "#shared/domain/servable-config.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import type { WebhookEndpoint } from "#shared/domain/WebhookEndpoint.ts"
import { faultOfGates, type GatesDeclaration } from "#shared/gates/gates-declaration.ts"
import type { CheckedReference } from "#shared/wire/services.ts"
import { Orchestrator } from "../Orchestrator.ts"
import { Relay } from "../outbox/Relay.ts"
import { faultOfSecret } from "../signatures/secrets.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import { Datasets } from "../storage/Datasets.ts"
import { Models } from "../storage/Models.ts"
import { DEFAULT_LIMIT, decodeCursor } from "../storage/paging.ts"
import { endpointNotFound, makeSecret, WebhookEndpoints } from "../storage/WebhookEndpoints.ts"

const madeEndpoint = (endpoint: WebhookEndpoint, secret: string) =>
  encodeAnswer(MadeWebhookEndpoint, { ...endpoint, path: `/v1/webhooks/${endpoint.source}/${endpoint.id}`, secret })

/** Runs that a threshold starts have no caller to tell: what they could not use is refused here. */
const checkConfig = (config: unknown, maxLength: number) => {
  const decoded = decodeTrainConfig(config, { maxLength })
  const fault = Result.isFailure(decoded)
    ? decoded.failure.message
    : (unservableConfig(decoded.success) ?? unservableLength(decoded.success.maxLength, maxLength))
  return fault === undefined ? Effect.void : Effect.fail(new UnusableRequest({ detail: `retrainConfig: ${fault}` }))
}

const referenceOf = ({ maxPositions: _, ...reference }: CheckedReference): Reference => reference

const checkGates = (gates: GatesDeclaration) => {
  const fault = faultOfGates(gates)
  return fault === undefined ? Effect.void : Effect.fail(new UnusableRequest({ detail: `gates: ${fault}` }))
}

const idTaken = (id: string, isThere: boolean) =>
  new Conflict({
    detail: isThere
      ? `The dataset ${JSON.stringify(id)} exists; choose another id.`
      : `The dataset ${JSON.stringify(id)} is being deleted; choose another id, or wait until DELETE /v1/datasets/${id} answers 404.`,
  })

const nameOfBase = (id: string) =>
  new Conflict({
    detail: `${JSON.stringify(id)} is the name of a base model, and what the dataset's runs train is registered under the dataset's id; choose another id, such as ${JSON.stringify(`${id.slice(0, 58)}-pairs`)}.`,
  })

/** The dataset's length: what was asked for is held to the model's limit, what was not is no longer than that. */
const lengthWithin = (asked: number | undefined, maxPositions: number) =>
  asked === undefined || asked <= maxPositions
    ? Effect.succeed(asked ?? Math.min(DEFAULT_MAX_LENGTH_TOKENS, maxPositions))
    : Effect.fail(
        new UnusableRequest({
          detail: `maxLength ${asked} is above the ${maxPositions} tokens that the base model was made for (max_position_embeddings); lower it, or leave it out`,
        }),
      )

/** null is what a dataset has that was made without a word of it. */
const withDefaults = ({ splitVotes, retrainConfig, ...others }: Omit<DatasetChange, "maxLength" | "reference">) => ({
  ...others,
  ...(splitVotes === undefined ? {} : { splitVotes: splitVotes ?? DEFAULT_SPLIT_VOTES }),
  ...(retrainConfig === undefined ? {} : { retrainConfig: retrainConfig ?? {} }),
})

/** What says when a dataset's runs start by themselves, and on what. */
const DECIDES_RUNS = ["retrainThreshold", "quietSeconds", "retrainConfig", "splitVotes"] as const

export const DatasetsLayer = HttpApiBuilder.group(
  YohakuApi,
  "datasets",
  Effect.fnUntraced(function* (handlers) {
    const datasets = yield* Datasets
    const models = yield* Models
    const endpoints = yield* WebhookEndpoints
    const answers = yield* Answers
    const orchestrator = yield* Orchestrator
    const relay = yield* Relay

    /** Where the reference is computed. What scoring would fail on is said now. */
    const tryReference = Effect.fnUntraced(function* (
      { name, version }: ModelReference,
      { promptForm, systemText, maxLength }: Pick<Dataset, "promptForm" | "systemText" | "maxLength">,
      { place, precision }: WantedReference = {},
    ) {
      const files = (yield* models.versions(name)).find((each) => each.version === version)!.files
      const use = {
        ...{ files, maxLength, ...(promptForm && { promptForm }), ...(systemText && { systemText }) },
        ...{ ...(place && { place }), ...(precision && { precision }) },
      }
      return yield* orchestrator
        .call("model", (rpc) => rpc.checkReference(use))
        .pipe(Effect.catchTags({ StaleLease: Effect.die, NotFound: Effect.die, Conflict: Effect.die }))
    })

    /** What every run would fail on is said now. */
    const tryEvaluation = (evaluation: EvaluationSettings) =>
      orchestrator
        .call("model", (rpc) => rpc.checkEvaluation(evaluation))
        .pipe(
          Effect.catchTags({ StaleLease: Effect.die, Conflict: Effect.die }),
          Effect.mapError(({ detail = "" }) => new UnusableRequest({ detail: `evaluation: ${detail}` })),
        )

    /** Decides the change by the dataset as it is, and makes it; undefined where another change was made meanwhile. */
    const changeOnce = Effect.fnUntraced(function* (id: string, payload: DatasetChange, decidesRuns: boolean) {
      const seen = yield* datasets.see(id)
      const { dataset } = seen
      const { maxLength: asked, reference: wanted, ...others } = payload
      const wished = asked === undefined ? dataset.maxLength : (asked ?? DEFAULT_MAX_LENGTH_TOKENS)
      const isMoved = wished !== dataset.maxLength
      // What is not named is decided anew, but for the precision, which is no matter of what fits. Longer rows may not fit the edge any more.
      const { precision, place } = dataset.reference
      const isDecided = wanted !== undefined || (isMoved && place === "edge")
      const use = !isDecided ? dataset.reference : wanted === null ? {} : { precision, ...wanted }
      const checked =
        isDecided || isMoved
          ? yield* tryReference(dataset.referenceModel, { ...dataset, maxLength: wished }, use)
          : undefined
      const maxLength =
        checked && isMoved ? yield* lengthWithin(asked ?? undefined, checked.maxPositions) : dataset.maxLength
      const isOther = maxLength !== dataset.maxLength
      const { retrainConfig: config = isOther ? dataset.retrainConfig : undefined } = payload
      if (config !== undefined) yield* checkConfig(config ?? {}, maxLength)
      const change = {
        ...withDefaults(others),
        ...(isOther ? { maxLength } : {}),
        ...(checked && isDecided ? { reference: referenceOf(checked) } : {}),
      }
      const changed = yield* datasets.change(seen, change, decidesRuns)
      return changed && { changed, isOther }
    })

    return handlers
      .handle(
        "create",
        Effect.fnUntraced(function* ({ payload }) {
          if (payload.gates) yield* checkGates(payload.gates)
          const { promptForm, systemText, maxLength: asked } = payload
          if (promptForm === "text" && systemText !== undefined)
            return yield* new UnusableRequest({
              detail: 'systemText is a turn of a conversation, and promptForm "text" has none; leave one of them out',
            })
          if (yield* models.isBase(payload.id)) return yield* nameOfBase(payload.id)
          const referenceModel = yield* models.completeBase(payload.referenceModel)
          const wished = { ...payload, maxLength: asked ?? DEFAULT_MAX_LENGTH_TOKENS }
          const checked = yield* tryReference(referenceModel, wished, payload.reference)
          const maxLength = yield* lengthWithin(asked, checked.maxPositions)
          yield* checkConfig(payload.retrainConfig ?? {}, maxLength)
          if (payload.evaluation) yield* tryEvaluation(payload.evaluation)
          const dataset: Dataset = {
            id: payload.id,
            ...{ referenceModel, reference: referenceOf(checked) },
            ...(promptForm === undefined ? {} : { promptForm }),
            ...(systemText === undefined ? {} : { systemText }),
            maxLength,
            splitVotes: payload.splitVotes ?? DEFAULT_SPLIT_VOTES,
            ...(payload.retrainThreshold === undefined ? {} : { retrainThreshold: payload.retrainThreshold }),
            retrainConfig: payload.retrainConfig ?? {},
            ...(payload.quietSeconds === undefined ? {} : { quietSeconds: payload.quietSeconds }),
            ...(payload.runLimits === undefined ? {} : { runLimits: payload.runLimits }),
            ...(payload.evaluation === undefined ? {} : { evaluation: payload.evaluation }),
            ...(payload.gates === undefined ? {} : { gates: payload.gates }),
            createdAt: yield* Clock.currentTimeMillis,
          }
          const answer = { status: 201, body: encodeAnswer(Dataset, dataset) }
          return yield* answers
            .commit(yield* IdempotentRequest, [datasets.insertion(dataset)], answer)
            .pipe(
              Effect.catchTag("AlreadyExists", () =>
                Effect.flatMap(Effect.exit(datasets.get(payload.id)), (found) =>
                  Effect.fail(idTaken(payload.id, Exit.isSuccess(found))),
                ),
              ),
            )
        }),
      )
      .handle(
        "list",
        Effect.fnUntraced(function* ({ query: { cursor, limit } }) {
          return yield* datasets.list(yield* decodeCursor(cursor), limit ?? DEFAULT_LIMIT)
        }),
      )
      .handle(
        "get",
        Effect.fnUntraced(function* ({ params: { id } }) {
          const dataset = yield* datasets.get(id)
          const deriving = yield* datasets.deriving(id)
          return {
            ...{ ...dataset, counts: yield* datasets.counts(dataset), split: yield* datasets.nearRepeats(id) },
            ...(deriving === undefined ? {} : { deriving }),
          }
        }),
      )
      .handle(
        "change",
        Effect.fnUntraced(function* ({ params: { id }, payload }) {
          if (payload.gates) yield* checkGates(payload.gates)
          if (payload.evaluation) yield* tryEvaluation(payload.evaluation)
          const decidesRuns = DECIDES_RUNS.some((key) => payload[key] !== undefined)
          let made = yield* changeOnce(id, payload, decidesRuns)
          // Each turn more is another's change that was made: together with this one it is perhaps refused.
          while (made === undefined) made = yield* changeOnce(id, payload, decidesRuns)
          if (made.isOther) yield* relay.wake
          // Pairs that are there may be enough now: nobody has to label another for a run to start.
          if (decidesRuns)
            yield* Effect.catchCause(
              orchestrator.call("run", (rpc) => rpc.pairsReady(id)),
              (cause) => Effect.logWarning("whether a run is due is looked at when the orchestrator is woken", cause),
            )
          return made.changed
        }),
      )
      .handle(
        "remove",
        Effect.fnUntraced(function* ({ params: { id }, query: { confirm } }) {
          if (confirm !== id)
            return yield* new UnusableRequest({
              detail: `A deletion cannot be undone: name the dataset again, as ?confirm=${encodeURIComponent(id)}.`,
            })
          const deletion = yield* datasets.remove(id)
          yield* Effect.catchCause(
            orchestrator.call("run", (rpc) => rpc.sweep({ isUrgent: true })),
            (cause) => Effect.logWarning("the sweep begins later", cause),
          )
          return deletion
        }),
      )
      .handle(
        "createWebhook",
        Effect.fnUntraced(function* ({ params: { id }, payload }) {
          yield* datasets.get(id)
          const { source, mapping = {}, secret = makeSecret() } = payload
          const fault = faultOfSecret(source, secret)
          if (fault !== undefined) return yield* new UnusableRequest({ detail: fault })
          const { endpoint, statement } = yield* endpoints.make({ datasetId: id, source, mapping, secret })
          return yield* answers
            .commit(yield* IdempotentRequest, [statement], {
              status: 201,
              body: madeEndpoint(endpoint, secret),
              isSecret: true,
            })
            .pipe(Effect.catchTag("AlreadyExists", Effect.die))
        }),
      )
      .handle(
        "listWebhooks",
        Effect.fnUntraced(function* ({ params: { id } }) {
          yield* datasets.get(id)
          return { items: yield* endpoints.list(id) }
        }),
      )
      .handle(
        "deleteWebhook",
        Effect.fnUntraced(function* ({ params: { id, endpointId } }) {
          if (!(yield* endpoints.remove(id, endpointId))) return yield* endpointNotFound
        }),
      )
      .handle(
        "rotateWebhook",
        Effect.fnUntraced(function* ({ params: { id, endpointId } }) {
          const secret = makeSecret()
          const { endpoint, statements } = yield* endpoints.rotate(id, endpointId, secret)
          return yield* answers
            .commit(yield* IdempotentRequest, statements, {
              status: 200,
              body: madeEndpoint(endpoint, secret),
              isSecret: true,
            })
            .pipe(
              Effect.catchTag("AlreadyExists", () =>
                Effect.fail(
                  new Conflict({
                    detail: "Another rotation was quicker; use its secret, or rotate again for one more.",
                  }),
                ),
              ),
            )
        }),
      )
  }),
)
