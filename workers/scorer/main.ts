// The scorer worker: a queue consumer that turns comparisons into pairs with cached reference log-probs, and the `Scorer`
// entrypoint by which the workflow makes sure that a snapshot's pairs have theirs.
import { WorkerEntrypoint } from "cloudflare:workers"
import { Effect, Layer } from "effect"
import type {
  CheckedReference,
  IngestMessage,
  ReferenceUse,
  RpcResult,
  ScoreReport,
  ScorerRpc,
} from "#shared/wire/services.ts"
import { Blobs } from "./Blobs.ts"
import { checkReference } from "./check-reference.ts"
import type { Environment, IngestBatch } from "./Environment.ts"
import { type IngestReport, ingest } from "./ingest.ts"
import { loadedModels } from "./LoadedModels.ts"
import { ReadModel } from "./ReadModel.ts"
import { ReferenceCache } from "./ReferenceCache.ts"
import { ReferenceModel } from "./ReferenceModel.ts"
import { rpcErrorOf, type ScorePairsFailure, scorePairs } from "./score-pairs.ts"
import { Tries } from "./Tries.ts"

const RETRY_DELAY_SECONDS = 2
const MAX_RETRY_DELAY_SECONDS = 60

/** The services over an event's bindings; nothing in them outlives the event but `loadedModels`. */
const layer = (env: Environment): Layer.Layer<Blobs | ReadModel | ReferenceCache | ReferenceModel | Tries> =>
  Layer.mergeAll(
    ReferenceModel.layer(loadedModels).pipe(Layer.provideMerge(Blobs.layer(env.BLOBS))),
    ReadModel.layer(env.DB),
    ReferenceCache.layer(env.REFERENCES),
    Tries.layer(env.DB),
  )

const answer = <A>(
  env: Environment,
  effect: Effect.Effect<A, ScorePairsFailure, Blobs | ReadModel | ReferenceCache | ReferenceModel>,
): Promise<RpcResult<A>> =>
  effect.pipe(
    Effect.match({
      onSuccess: (value): RpcResult<A> => ({ ok: true, value }),
      onFailure: (error): RpcResult<A> => ({ ok: false, error: rpcErrorOf(error) }),
    }),
    Effect.provide(layer(env)),
    Effect.runPromise,
  )

export class Scorer extends WorkerEntrypoint<Environment> implements ScorerRpc {
  /** Makes sure that every named pair's reference log-probs are in KV. At most `LIMITS.pairsPerScoring` pairs a call. */
  score(input: { readonly datasetId: string; readonly pairIds: readonly string[] }): Promise<RpcResult<ScoreReport>> {
    return answer(this.env, scorePairs(input))
  }

  /** Loads a base model's files and says where its log-probs are computed, or what is in the way of using it so. */
  checkReference(input: ReferenceUse): Promise<RpcResult<CheckedReference>> {
    return answer(this.env, checkReference(input))
  }
}

/** Tells the orchestrator; returns the comparisons to deliver again, whose only purpose then is to tell it again. */
const announce = async (env: Environment, ready: IngestReport["ready"]): Promise<readonly string[]> => {
  const missed = await Promise.all(
    [...ready].map(async ([datasetId, comparisonIds]) => {
      try {
        const told = await env.ORCHESTRATOR.pairsReady(datasetId)
        if (!told.ok) console.warn(`pairsReady("${datasetId}") answered: ${told.error.message}`)
        return told.ok || told.error._tag !== "Unavailable" ? [] : comparisonIds
      } catch (cause) {
        console.warn(`pairsReady("${datasetId}") failed: ${cause instanceof Error ? cause.message : String(cause)}`)
        return comparisonIds
      }
    }),
  )
  return missed.flat()
}

const idOf = (message: Message<IngestMessage>): string | undefined => {
  const id: unknown = message.body?.comparisonId
  return typeof id === "string" ? id : undefined
}

/** Processes a batch and acknowledges or retries every message on its own. */
export const consume = async (batch: IngestBatch, env: Environment): Promise<void> => {
  const ids = batch.messages.flatMap((message) => idOf(message) ?? [])
  const report = await ingest(ids).pipe(Effect.provide(layer(env)), Effect.result, Effect.runPromise)
  if (report._tag === "Failure") {
    console.error(report.failure.message)
    return batch.retryAll({ delaySeconds: RETRY_DELAY_SECONDS })
  }
  const { retry, ready } = report.success
  const again = new Set([...retry.keys(), ...(await announce(env, ready))])
  for (const message of batch.messages) {
    const id = idOf(message)
    if (id === undefined) console.error(`message ${message.id} names no comparison and is discarded`)
    if (id === undefined || !again.has(id)) message.ack()
    else message.retry({ delaySeconds: Math.min(RETRY_DELAY_SECONDS * message.attempts, MAX_RETRY_DELAY_SECONDS) })
  }
}

export default {
  queue: (batch, env) => consume(batch, env),
} satisfies ExportedHandler<Environment, IngestMessage>
