// What test/bench/pairs.ts runs in workerd: a synthetic dataset, and a run's own steps over it, one activity of the workflow a request.
import { Effect } from "effect"
import { entryOf } from "#shared/wire/pack-manifest.ts"
import { decodeShard, encodeShard, type PackPair } from "#shared/wire/pack-shard.ts"
import type { PackPart, RetrainPayload, Snapshot } from "#shared/workflows/retrain.ts"
import { Bindings, type Environment } from "#workers/orchestrator/Environment.ts"
import { putBlob } from "#workers/orchestrator/retrain/blobs.ts"
import { cutScoreJob, type ScoreStretch } from "#workers/orchestrator/retrain/cut-score-job.ts"
import { buildPackPart, storeManifest } from "#workers/orchestrator/retrain/pack.ts"
import { readPage, readSnapshot, sortedIds, takeSnapshot } from "#workers/orchestrator/retrain/snapshot.ts"
import {
  type Filling,
  logProbsOf,
  migrate,
  type PairLength,
  storeBase,
  storeDataset,
  storePairs,
  tokensOfPair,
} from "./synthetic-pairs.ts"

/** A request's body; an empty one asks for nothing. */
type Asked =
  | { readonly step?: undefined }
  | { readonly step: "open"; readonly migrations: readonly string[] }
  | { readonly step: "dataset"; readonly datasetId: string }
  | { readonly step: "fill"; readonly filling: Filling }
  | { readonly step: "snapshot"; readonly datasetId: string; readonly files: Readonly<Record<string, string>> }
  | {
      readonly step: "cut"
      readonly datasetId: string
      readonly snapshot: Snapshot
      readonly from: ScoreStretch["from"]
      /** Of the jobs before. */
      readonly sheets: readonly string[]
    }
  | { readonly step: "pack"; readonly snapshot: Snapshot; readonly page: number }
  | { readonly step: "shard"; readonly snapshot: Snapshot; readonly page: number; readonly length: PairLength }
  | { readonly step: "manifest"; readonly datasetId: string; readonly snapshot: Snapshot; readonly parts: PackPart[] }

const OWN_JOB = { pairs: Number.MAX_SAFE_INTEGER, isOwn: true, isOpen: true }

const payloadOf = (datasetId: string, files: Readonly<Record<string, string>>): RetrainPayload => ({
  ...{ datasetId, key: datasetId, trigger: "api", config: {}, promotion: "never", modelName: "none", createdAt: 0 },
  base: { name: "base", version: 1, files },
  gates: { minimumGain: 0, productionTolerance: 0, driftPerToken: 0 },
})

/** A page of the snapshot as one shard of made-up rows: what `pack` leaves behind, without D1's tokens and KV's records. */
const madeUpShard = Effect.fnUntraced(function* (snapshot: Snapshot, index: number, length: PairLength) {
  const page = yield* readPage(yield* readSnapshot(snapshot.digest), index)
  const heldOut = new Set(page.heldOut)
  const pairs = sortedIds(page).map((id, number): PackPair => {
    const tokens = tokensOfPair(number, length)
    const [chosen, rejected] = [tokens.chosenIds, tokens.rejectedIds].map((ids) => logProbsOf(ids.length, number))
    const split = heldOut.has(id) ? "held-out" : "train"
    return { id, ...tokens, weight: 1, split, referenceLogProbs: { chosen: chosen!, rejected: rejected! } }
  })
  const { digest, referenceFingerprint: reference, tokenizerDigest: tokenizer } = snapshot
  const bytes = encodeShard(pairs, { snapshot: digest, reference, tokenizer })
  const shards = [entryOf(decodeShard(bytes), { digest: yield* putBlob(bytes), bytes: bytes.length })]
  return { shards, takenBack: 0 } satisfies PackPart
})

const answer = (asked: Asked, env: Environment): Effect.Effect<unknown, unknown, Bindings> => {
  switch (asked.step) {
    case undefined:
      return Effect.succeed({})
    case "open":
      return Effect.promise(async () => {
        await migrate(env, asked.migrations)
        return storeBase(env)
      })
    case "dataset":
      return Effect.promise(() => storeDataset(env, asked.datasetId))
    case "fill":
      return Effect.promise(() => storePairs(env, asked.filling))
    case "snapshot":
      return takeSnapshot(payloadOf(asked.datasetId, asked.files), asked.datasetId)
    case "cut":
      return cutScoreJob(asked.datasetId, asked.snapshot, {
        ...{ from: asked.from, pagesEnd: Number.MAX_SAFE_INTEGER },
        sheets: asked.sheets.map((sheet, index) => ({ ...OWN_JOB, sheet, jobId: `job-${index}` })),
      })
    case "pack":
      return buildPackPart(asked.snapshot, asked.page, "runner")
    case "shard":
      return madeUpShard(asked.snapshot, asked.page, asked.length)
    case "manifest":
      return storeManifest(asked.datasetId, asked.datasetId, asked.snapshot, asked.parts)
  }
}

export default {
  fetch: async (request: Request, env: Environment): Promise<Response> => {
    const asked = await request.json<Asked>()
    const value = await Effect.runPromise(Effect.provideService(answer(asked, env), Bindings, env))
    return Response.json(value ?? {})
  },
}
