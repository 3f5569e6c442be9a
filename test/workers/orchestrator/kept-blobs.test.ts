// What a step stores is there to stay when the step ends: a blob that is being deleted meanwhile, or is gone, makes it store everything again.
import { Effect } from "effect"
import { beforeEach, expect, it } from "vitest"
import { sha256Hex } from "#shared/formats/digest.ts"
import type { RetrainPayload } from "#shared/workflows/retrain.ts"
import { Bindings } from "#workers/orchestrator/Environment.ts"
import { keepBlobs, putBlob } from "#workers/orchestrator/retrain/blobs.ts"
import { takeSnapshot } from "#workers/orchestrator/retrain/snapshot.ts"
import { condemnation } from "#workers/orchestrator/sweep/condemned.ts"
import { addPairs, baseFiles, bindings, DATASET, startWorld, putBlob as storedBefore } from "./world.ts"

beforeEach(() => startWorld())

const done = <A, E>(work: Effect.Effect<A, E, Bindings>, env = bindings): Promise<A> =>
  Effect.runPromise(Effect.provideService(work, Bindings, env))
const bytesOf = (text: string) => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>
const BEING_DELETED = "could not store blobs: what was stored of them before is being deleted"

it("a blob that is being deleted is not taken for stored, nor one that is gone", async () => {
  const digest = await sha256Hex(bytesOf("kept"))
  expect(await done(putBlob(bytesOf("kept")))).toBe(digest)
  await condemnation(bindings.DB, [digest], null).run()
  await expect(done(putBlob(bytesOf("kept")))).rejects.toThrow(BEING_DELETED)
  // Deleted between the writing and the look.
  const put = async (key: string, bytes: Uint8Array) => {
    await bindings.BLOBS.put(key, bytes)
    await bindings.BLOBS.delete(key)
  }
  const head = (key: string) => bindings.BLOBS.head(key)
  const losing = { ...bindings, BLOBS: { put, head } as unknown as R2Bucket }
  await expect(done(putBlob(bytesOf("gone")), losing)).rejects.toThrow(BEING_DELETED)
})

it("of many blobs each is looked at, in questions of five hundred", async () => {
  const digests = await Promise.all(Array.from({ length: 501 }, (_, index) => sha256Hex(bytesOf(`${index}`))))
  const head = async () => ({})
  const there = { ...bindings, BLOBS: { head } as unknown as R2Bucket }
  await done(keepBlobs(digests), there)
  await condemnation(bindings.DB, digests.slice(500), null).run()
  await done(keepBlobs(digests.slice(0, 500)), there)
  await expect(done(keepBlobs(digests), there)).rejects.toThrow(BEING_DELETED)
})

it("a snapshot whose page is being deleted is taken again, not ended", async () => {
  await addPairs(0, 8)
  await storedBefore("of another run")
  await bindings.DB.prepare(
    `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
     VALUES ('kept', ?, 'api', 'dpo', 'running', 'snapshot', '{}', 0, 0)`,
  )
    .bind(DATASET)
    .run()
  const payload: RetrainPayload = {
    ...{
      datasetId: DATASET,
      key: "kept",
      trigger: "api",
      config: {},
      promotion: "never",
      modelName: "none",
      createdAt: 0,
    },
    base: { name: "tiny", version: 1, files: await baseFiles() },
    gates: { minimumGain: 0, productionTolerance: 0, driftPerToken: 0 },
  }
  const { objects: before } = await bindings.BLOBS.list()
  const { digest } = await done(takeSnapshot(payload, "kept"))
  const made = (await bindings.BLOBS.list()).objects
    .map(({ key }) => key)
    .filter((key) => !before.some((object) => object.key === key) && key !== `blobs/${digest}`)
  expect(made).toHaveLength(1)
  await condemnation(bindings.DB, [made[0]!.slice("blobs/".length)], null).run()
  await expect(done(takeSnapshot(payload, "kept"))).rejects.toThrow(BEING_DELETED)
})
