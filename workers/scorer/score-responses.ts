// From token ids to reference log-probs in the cache: looks up, computes what is missing, writes it. Both ways into the
// scorer, the queue and the call of the workflow, end here.
import { Effect, Result } from "effect"
import type { BlobFailure } from "./Blobs.ts"
import { type ReferenceInvalid, ReferenceTooLarge } from "./errors.ts"
import type { Tokeniser } from "./LoadedModels.ts"
import type { Counts, PairTokens, Reference } from "./ReadModel.ts"
import { cacheKey, ReferenceCache } from "./ReferenceCache.ts"
import { MAX_ATTENTION_BYTES, ReferenceModel, type ResponseTokens } from "./ReferenceModel.ts"

/** Computed before the next write, so that an evicted isolate loses little. */
const RESPONSES_PER_SLICE = 64

export type ScoreFailure = ReferenceInvalid | ReferenceTooLarge | BlobFailure

/** What was done, and what stopped it from being everything. Counts hold for work done before a failure too. */
export interface Scoring {
  readonly counts: Counts
  readonly failure: ScoreFailure | undefined
}

/** The two responses of a pair, each as its own sequence after the prompt. */
const responsesOf = (pair: PairTokens, referenceFingerprint: string): ResponseTokens[] => {
  const prompt = pair.ids.subarray(0, pair.promptTokens)
  const rejectedStart = pair.promptTokens + pair.chosenTokens
  const responseOf = (response: Uint32Array, digest: string): ResponseTokens => {
    const tokenIds = new Uint32Array(prompt.length + response.length)
    tokenIds.set(prompt)
    tokenIds.set(response, prompt.length)
    return { key: cacheKey(referenceFingerprint, digest), tokenIds, responseStart: prompt.length }
  }
  return [
    responseOf(pair.ids.subarray(pair.promptTokens, rejectedStart), pair.chosenDigest),
    responseOf(pair.ids.subarray(rejectedStart), pair.rejectedDigest),
  ]
}

const uniqueResponses = (pairs: readonly PairTokens[], tokeniser: Tokeniser): ResponseTokens[] => {
  const responses = pairs.flatMap((pair) => responsesOf(pair, tokeniser.referenceFingerprint))
  return [...new Map(responses.map((response) => [response.key, response])).values()]
}

const attentionBytes = (response: ResponseTokens, headCount: number): number =>
  4 * headCount * response.tokenIds.length ** 2

const tooLong = (response: ResponseTokens): ReferenceTooLarge =>
  new ReferenceTooLarge({
    detail: `a response of ${response.tokenIds.length} tokens with its prompt does not fit the memory of an edge isolate`,
  })

const computeSlice = Effect.fnUntraced(function* (reference: Reference, slice: readonly ResponseTokens[]) {
  const model = yield* ReferenceModel
  const cache = yield* ReferenceCache
  const { logProbs, sessionsOpened } = yield* model.compute(reference.files, slice)
  const entries = slice.map(({ key }, index) => ({ key, logProbs: logProbs[index]! }))
  return { sessionsOpened, write: yield* Effect.result(cache.write(entries)) }
})

const computeAll = Effect.fnUntraced(function* (reference: Reference, responses: readonly ResponseTokens[]) {
  let sessionsOpened = 0
  let computed = 0
  for (let start = 0; start < responses.length; start += RESPONSES_PER_SLICE) {
    const slice = responses.slice(start, start + RESPONSES_PER_SLICE)
    const done = yield* Effect.result(computeSlice(reference, slice))
    if (Result.isFailure(done)) return { sessionsOpened, computed, failure: done.failure }
    sessionsOpened += done.success.sessionsOpened
    computed += slice.length
    if (Result.isFailure(done.success.write)) return { sessionsOpened, computed, failure: done.success.write.failure }
  }
  return { sessionsOpened, computed, failure: undefined }
})

/**
 * Makes sure that the log-probs of both responses of every pair are cached. Never fails: `failure` says what is missing
 * and why. A response that is cached already is neither computed nor does it open a session.
 */
export const scoreResponses = Effect.fnUntraced(function* (
  reference: Reference,
  tokeniser: Tokeniser,
  pairs: readonly PairTokens[],
) {
  const cache = yield* ReferenceCache
  const responses = uniqueResponses(pairs, tokeniser)
  const present = yield* cache.readPresent(
    responses.map(({ key, tokenIds, responseStart }) => ({ key, responseTokens: tokenIds.length - responseStart })),
  )
  const missing = responses.filter(({ key }) => !present.has(key))
  const fitting = missing.filter((response) => attentionBytes(response, tokeniser.headCount) <= MAX_ATTENTION_BYTES)
  const oversized = missing.find((response) => !fitting.includes(response))
  const { sessionsOpened, computed, failure } = yield* computeAll(reference, fitting)
  return {
    counts: { sessionsOpened, computed, fromCache: present.size },
    failure: failure ?? (oversized === undefined ? undefined : tooLong(oversized)),
  } satisfies Scoring
})
