// The workflow's call: makes sure that named pairs have their reference log-probs in the cache, or says what is in the way.
import { Clock, Effect, Schema } from "effect"
import { Digest } from "#shared/domain/Files.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { RpcError, ScoreReport } from "#shared/wire/services.ts"
import { type EdgeCannot, PairsUnusable, type ReferenceNotRegistered } from "./errors.ts"
import { ReadModel } from "./ReadModel.ts"
import { ReferenceModel } from "./ReferenceModel.ts"
import type { TokenizerUnfit } from "./read-tokenizer.ts"
import { scoringTurns } from "./ScoringTurns.ts"
import { type ScoreFailure, scoreResponses } from "./score-responses.ts"

const ScoreInput = Schema.Struct({
  datasetId: Schema.NonEmptyString,
  pairIds: Schema.Array(Digest).check(Schema.isMaxLength(LIMITS.pairsPerScoring)),
})

const LOOK_AGAIN_MS = 20

/** Waits until no other event of the isolate scores pairs of this reference for a run, and keeps others from it while `work` goes on. */
const inTurn = Effect.fnUntraced(function* <A, E, R>(
  reference: string,
  work: (goesOn: Effect.Effect<void>) => Effect.Effect<A, E, R>,
) {
  let turn: ReturnType<typeof scoringTurns.begin>
  while (turn === undefined) {
    turn = scoringTurns.begin(reference, yield* Clock.currentTimeMillis)
    if (turn === undefined) yield* Effect.sleep(LOOK_AGAIN_MS)
  }
  const own = turn
  const goesOn = Effect.map(Clock.currentTimeMillis, (nowMs) => scoringTurns.renew(own, nowMs))
  return yield* Effect.ensuring(
    work(goesOn),
    Effect.sync(() => scoringTurns.end(own)),
  )
})

const decodeInput = Schema.decodeUnknownEffect(ScoreInput)

/** Reads the pairs' ids from D1, computes and caches what is missing, counts. Fails where a pair is left unscored. */
export const scorePairs = Effect.fnUntraced(function* (input: unknown) {
  const { datasetId, pairIds } = yield* Effect.mapError(
    decodeInput(input),
    ({ message }) => new PairsUnusable({ reason: "Invalid", detail: `score takes a dataset and pair ids: ${message}` }),
  )
  const readModel = yield* ReadModel
  const model = yield* ReferenceModel
  const reference = yield* readModel.reference(datasetId)
  const tokeniser = yield* model.tokeniser(reference.files)
  const pairs = yield* readModel.pairs(datasetId, pairIds)
  const { counts, failure } = yield* inTurn(tokeniser.referenceFingerprint, (goesOn) =>
    scoreResponses(reference, tokeniser, pairs, goesOn),
  )
  yield* readModel.count(counts)
  if (failure !== undefined) return yield* failure
  return { computed: counts.computed, fromCache: counts.fromCache } satisfies ScoreReport
})

export type ScorePairsFailure = ScoreFailure | TokenizerUnfit | ReferenceNotRegistered | PairsUnusable | EdgeCannot

/** The error as it crosses to another worker. Only `Unavailable` is worth trying again. */
export const rpcErrorOf = (error: ScorePairsFailure): RpcError => {
  switch (error._tag) {
    case "StorageFailed":
    case "BlobMissing":
    case "BlobCorrupt":
      return { _tag: "Unavailable", message: error.message }
    case "ReferenceNotRegistered":
      return { _tag: "NotFound", message: error.message }
    case "PairsUnusable":
      return { _tag: error.reason, message: error.message }
    case "ReferenceTooLarge":
    case "ReferenceInvalid":
    case "TokenizerUnfit":
    case "EdgeCannot":
      return { _tag: "Invalid", message: error.message }
  }
}
