// Snapshot, score jobs and pack of a synthetic dataset by the run's own steps, for test/bench/pairs.ts, which gives the stores.
import { Effect } from "effect"
import { blobKey } from "#shared/wire/blobs.ts"
import type { PackPart, RetrainPayload, ScoreCut, Snapshot, SnapshotPlace } from "#shared/workflows/retrain.ts"
import { Bindings, type Environment } from "#workers/orchestrator/Environment.ts"
import { cutScoreJob } from "#workers/orchestrator/retrain/cut-score-job.ts"
import { PAIRS_PER_PAGE } from "#workers/orchestrator/retrain/frozen-pairs.ts"
import { buildPackPart, storeManifest } from "#workers/orchestrator/retrain/pack.ts"
import { takeSnapshot } from "#workers/orchestrator/retrain/snapshot.ts"
import { CHAT_TEMPLATE, migrate, storeBase, storePairs } from "./synthetic-pairs.ts"

const payloadOf = (datasetId: string, files: Readonly<Record<string, string>>): RetrainPayload => ({
  ...{ datasetId, key: datasetId, trigger: "api", config: {}, promotion: "never", modelName: "none", createdAt: 0 },
  base: { name: "base", version: 1, files },
  gates: { minimumGain: 0, productionTolerance: 0, driftPerToken: 0 },
})

/** The steps over stores that are empty yet. */
export const openPipeline = async (bindings: unknown, migrations: readonly string[]) => {
  const env = bindings as Environment
  await migrate(env, migrations)
  const base = await storeBase(env)
  const run = <A, E>(effect: Effect.Effect<A, E, Bindings>): Promise<A> =>
    Effect.runPromise(Effect.provideService(effect, Bindings, env))
  return {
    fingerprint: base.fingerprint,
    model: {
      ...{ weightsDigest: base.files["model.safetensors"]!, tokenizerDigest: base.files["tokenizer.json"]! },
      tokenisation: { chatTemplate: CHAT_TEMPLATE },
    },
    fill: (datasetId: string, pairs: number) => storePairs(env, datasetId, base.fingerprint, pairs),
    snapshot: (datasetId: string) => run(takeSnapshot(payloadOf(datasetId, base.files), datasetId)),
    cut: async (datasetId: string, snapshot: Snapshot, referenceFingerprint: string) => {
      const of = { ...snapshot, referenceFingerprint }
      let [jobs, found] = [0, 0]
      const sheets: string[] = []
      for (let from: SnapshotPlace | null = { page: 0, pairs: 0 }; from !== null; ) {
        const cut: ScoreCut = await run(cutScoreJob(datasetId, of, { from, pagesEnd: Number.MAX_SAFE_INTEGER, sheets }))
        jobs += cut.job === undefined ? 0 : 1
        if (cut.job !== undefined) sheets.push(cut.job.sheet)
        found += cut.counts.fromCache
        from = cut.next
      }
      return { jobs, found }
    },
    pack: async (datasetId: string, snapshot: Snapshot) => {
      const parts: PackPart[] = []
      const pages = Math.ceil((snapshot.trainPairs + snapshot.heldOutPairs) / PAIRS_PER_PAGE)
      for (let page = 0; page < pages; page++) parts.push(await run(buildPackPart(snapshot, page, "edge")))
      return (await run(storeManifest(datasetId, datasetId, snapshot, parts))).digest
    },
    blob: async (digest: string) => new Uint8Array(await (await env.BLOBS.get(blobKey(digest)))!.arrayBuffer()),
  }
}
