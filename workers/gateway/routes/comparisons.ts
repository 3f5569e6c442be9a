// /v1/datasets/{id}/comparisons and /v1/datasets/{id}/pairs
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { AcceptedComparison, Replayed, Retracted } from "#shared/api/comparisons.ts"
import { IdempotentRequest } from "#shared/api/middleware.ts"
import { InvalidComparison } from "#shared/api/problems.ts"
import { findComparisonFault } from "#shared/judgement/comparison-faults.ts"
import { uploadMany } from "../bulk/upload.ts"
import { fromApi, planRetraction, storeComparisons } from "../ingest.ts"
import { Relay } from "../outbox/Relay.ts"
import { Answers, encodeAnswer } from "../storage/Answers.ts"
import { identify } from "../storage/Comparisons.ts"
import { listComparisons } from "../storage/comparison-list.ts"
import { Datasets } from "../storage/Datasets.ts"
import { DEFAULT_LIMIT, decodeCursor } from "../storage/paging.ts"
import { listPairs } from "../storage/pair-list.ts"
import { withTexts } from "../storage/pair-texts.ts"
import { planReplay } from "../storage/parked.ts"

export const ComparisonsLayer = HttpApiBuilder.group(
  YohakuApi,
  "comparisons",
  Effect.fnUntraced(function* (handlers) {
    const datasets = yield* Datasets
    const answers = yield* Answers
    const relay = yield* Relay

    return handlers
      .handle(
        "create",
        Effect.fnUntraced(function* ({ params: { id: datasetId }, payload }) {
          yield* datasets.get(datasetId)
          const fault = findComparisonFault(payload)
          if (fault !== undefined) return yield* new InvalidComparison(fault)
          const identity = yield* IdempotentRequest
          const { id } = yield* Effect.promise(() => identify(fromApi(datasetId), payload))
          return yield* storeComparisons(fromApi(datasetId), [{ comparison: payload }], ({ statements, statuses }) =>
            answers.commit(identity, statements, {
              status: 202,
              body: encodeAnswer(AcceptedComparison, { id, status: statuses[0]! }),
            }),
          )
        }),
      )
      .handleRaw("createMany", ({ params: { id }, query }) =>
        Effect.andThen(datasets.get(id), uploadMany(id, query.format ?? "comparisons")),
      )
      .handle(
        "retract",
        Effect.fnUntraced(function* ({ params: { id }, payload: { retractions } }) {
          yield* datasets.get(id)
          const { retracted, statements } = yield* planRetraction(fromApi(id), retractions)
          const body = encodeAnswer(Retracted, { retracted })
          return yield* answers.commit(yield* IdempotentRequest, statements, { status: 202, body }).pipe(
            Effect.catchTag("AlreadyExists", Effect.die),
            Effect.tap(() => relay.wake),
            Effect.uninterruptible,
          )
        }),
      )
      .handle(
        "replay",
        Effect.fnUntraced(function* ({ params: { id }, payload: { ids } }) {
          yield* datasets.get(id)
          const { replayed, statements } = yield* planReplay(id, ids)
          const body = encodeAnswer(Replayed, { replayed })
          const answer = yield* answers
            .commit(yield* IdempotentRequest, statements, { status: 202, body })
            .pipe(Effect.catchTag("AlreadyExists", Effect.die))
          yield* relay.wake
          return answer
        }),
      )
      .handle(
        "list",
        Effect.fnUntraced(function* ({ params: { id }, query: { cursor, limit, status, endpoint } }) {
          yield* datasets.get(id)
          return yield* listComparisons(id, { status, endpoint }, yield* decodeCursor(cursor), limit ?? DEFAULT_LIMIT)
        }),
      )
      .handle(
        "listPairs",
        Effect.fnUntraced(function* ({ params: { id }, query: { cursor, limit, status, include } }) {
          yield* datasets.get(id)
          const page = yield* listPairs(id, status, yield* decodeCursor(cursor), limit ?? DEFAULT_LIMIT)
          return include === "text" ? { ...page, items: yield* withTexts(page.items) } : page
        }),
      )
  }),
)
