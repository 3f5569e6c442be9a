// From token ids to reference log-probs in the cache: looks up, computes what is missing, writes it. Both ways into the
// scorer, the queue and the call of the workflow, end here.
import { Effect, Result } from "effect"
import { recordKey } from "#shared/wire/reference-record.ts"
import type { BlobFailure } from "./Blobs.ts"
import { type ReferenceInvalid, ReferenceTooLarge } from "./errors.ts"
import type { Tokeniser } from "./LoadedModels.ts"
import type { NamedPairTokens, Reference } from "./Outcome.ts"
import type { Counts } from "./ReadModel.ts"
import { ReferenceCache } from "./ReferenceCache.ts"
import { ReferenceModel, type ResponseTokens } from "./ReferenceModel.ts"

/**
 * Computed before the next write: nothing else of the isolate runs meanwhile (on one machine, of any worker, since they
 * share a thread), and an evicted isolate loses no more than this.
 */
const RESPONSES_PER_SLICE = 16

export type ScoreFailure = ReferenceInvalid | ReferenceTooLarge | BlobFailure

/** What was done, and what stopped it from being everything. Counts hold for work done before a failure too. */
export interface Scoring {
  readonly counts: Counts
  readonly failure: ScoreFailure | undefined
}

/** The two responses of a pair, each after the prompt; of a verdict the one that there is. */
const responsesOf = (pair: NamedPairTokens, referenceFingerprint: string): ResponseTokens[] => {
  const { promptIds, chosenIds, rejectedIds, chosenDigest, rejectedDigest } = pair
  return [
    { key: recordKey(referenceFingerprint, chosenDigest), promptIds, responseIds: chosenIds },
    { key: recordKey(referenceFingerprint, rejectedDigest), promptIds, responseIds: rejectedIds },
  ].filter(({ responseIds }) => responseIds.length > 0)
}

const uniqueResponses = (pairs: readonly NamedPairTokens[], tokeniser: Tokeniser): ResponseTokens[] => {
  const responses = pairs.flatMap((pair) => responsesOf(pair, tokeniser.referenceFingerprint))
  return [...new Map(responses.map((response) => [response.key, response])).values()]
}

const tooLong = (responses: readonly ResponseTokens[]): ReferenceTooLarge | undefined => {
  const longest = Math.max(0, ...responses.map(({ promptIds, responseIds }) => promptIds.length + responseIds.length))
  const detail = `responses of up to ${longest} tokens with their prompt (${responses.length} of them) do not fit an edge isolate`
  return responses.length === 0 ? undefined : new ReferenceTooLarge({ detail })
}

interface SliceReport {
  readonly sessionsOpened: number
  readonly computed: number
  readonly tooLong: readonly ResponseTokens[]
  readonly failure: ScoreFailure | undefined
}

const computeSlice = Effect.fnUntraced(function* (reference: Reference, slice: readonly ResponseTokens[]) {
  const model = yield* ReferenceModel
  const cache = yield* ReferenceCache
  const { logProbs, sessionsOpened } = yield* model.compute(reference.files, slice)
  const entries = slice.flatMap(({ key }, index) => {
    const found = logProbs[index]
    return found === undefined ? [] : [{ key, logProbs: found }]
  })
  const written = yield* Effect.result(cache.write(entries))
  return {
    sessionsOpened,
    computed: entries.length,
    tooLong: slice.filter((_, index) => logProbs[index] === undefined),
    failure: Result.isFailure(written) ? written.failure : undefined,
  } satisfies SliceReport
})

/** Slice after slice until one fails. */
const computeAll = Effect.fnUntraced(function* (
  reference: Reference,
  responses: readonly ResponseTokens[],
  afterSlice: Effect.Effect<void>,
) {
  let total: SliceReport = { sessionsOpened: 0, computed: 0, tooLong: [], failure: undefined }
  for (let start = 0; start < responses.length && total.failure === undefined; start += RESPONSES_PER_SLICE) {
    const done = yield* computeSlice(reference, responses.slice(start, start + RESPONSES_PER_SLICE)).pipe(
      Effect.catch((failure: ScoreFailure) =>
        Effect.succeed<SliceReport>({ sessionsOpened: 0, computed: 0, tooLong: [], failure }),
      ),
    )
    yield* afterSlice
    total = {
      sessionsOpened: total.sessionsOpened + done.sessionsOpened,
      computed: total.computed + done.computed,
      tooLong: [...total.tooLong, ...done.tooLong],
      failure: done.failure,
    }
  }
  return total
})

/**
 * Makes sure that the log-probs of both responses of every pair are cached. Never fails: `failure` says what is missing
 * and why. A response that is cached already is neither computed nor does it open a session.
 */
export const scoreResponses = Effect.fnUntraced(function* (
  reference: Reference,
  tokeniser: Tokeniser,
  pairs: readonly NamedPairTokens[],
  afterSlice: Effect.Effect<void> = Effect.void,
) {
  const cache = yield* ReferenceCache
  const responses = uniqueResponses(pairs, tokeniser)
  const present = yield* cache.readPresent(
    responses.map(({ key, responseIds }) => ({ key, responseTokens: responseIds.length })),
  )
  const missing = responses.filter(({ key }) => !present.has(key))
  const done = yield* computeAll(reference, missing, afterSlice)
  return {
    counts: { sessionsOpened: done.sessionsOpened, computed: done.computed, fromCache: present.size },
    failure: done.failure ?? tooLong(done.tooLong),
  } satisfies Scoring
})
