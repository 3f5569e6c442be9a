// Two triggers that would train the same: same dataset, pairs, configuration, base, limits, name and promotion. While the first one's run
// is under way the second is answered with it, whichever way it came; it must say that it wants a run of its own.
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { findBlob } from "#shared/wire/blobs.ts"
import type { RetrainPayload } from "#shared/workflows/retrain.ts"
import type { Environment } from "../Environment.ts"
import { frozenPages } from "../retrain/frozen-pairs.ts"

/** Of everything that a run depends on but its pairs, which are looked up when there is a run to compare with. */
export const fingerprintOf = ({
  datasetId,
  config,
  base,
  reference,
  gates,
  limits,
  modelName,
  promotion,
  startFrom,
  evaluation,
}: RetrainPayload): Promise<string> =>
  sha256Hex(
    canonicalJson({
      ...{ datasetId, config, base, gates, modelName, promotion },
      ...(limits ? { limits } : {}),
      ...(startFrom ? { startFrom } : {}),
      ...(reference ? { reference } : {}),
      ...(evaluation ? { evaluation } : {}),
    }),
  )

interface RunningColumns {
  readonly id: string
  readonly created_at: number
  readonly ingest_wait_ms: number
  /** Of the snapshot; null before it was taken. */
  readonly snapshot: string | null
}

/** Runs under way with this fingerprint, the oldest first. */
export const findRunning = async (db: D1Database, fingerprint: string): Promise<readonly RunningColumns[]> => {
  const { results } = await db
    .prepare(
      `SELECT id, created_at, ingest_wait_ms, json_extract(detail, '$.snapshot.digest') AS snapshot
         FROM runs WHERE fingerprint = ? AND status = 'running' ORDER BY created_at, id`,
    )
    .bind(fingerprint)
    .all<RunningColumns>()
  return results
}

/** Whether comparisons wait that came after a time: a run of then sees other pairs than a run of now. */
const hasWaitingSince = async (db: D1Database, datasetId: string, time: number): Promise<boolean> =>
  (await db
    .prepare(
      `SELECT 1 FROM outbox JOIN comparisons ON comparisons.id = comparison_id
        WHERE dataset_id = ? AND outbox.created_at > ? LIMIT 1`,
    )
    .bind(datasetId, time)
    .first()) !== null

/** The pages of a snapshot, as digests; none where it cannot be read. */
const pagesOf = async (bucket: R2Bucket, snapshot: string): Promise<readonly string[]> => {
  const blob = await findBlob(bucket, snapshot)
  const { pages } = blob.kind === "whole" ? JSON.parse(new TextDecoder().decode(blob.bytes)) : { pages: undefined }
  return Array.isArray(pages) ? pages : []
}

/** Those of these snapshots that hold the pairs which the dataset has now. Looks no further than the first page in which all differ. */
const snapshotsOfNow = async (
  { DB, BLOBS }: Pick<Environment, "DB" | "BLOBS">,
  { datasetId, config }: RetrainPayload,
  snapshots: readonly string[],
): Promise<readonly string[]> => {
  let alike = await Promise.all(snapshots.map(async (digest) => ({ digest, pages: await pagesOf(BLOBS, digest) })))
  let count = 0
  for await (const { digest } of frozenPages(DB, datasetId, config)) {
    alike = alike.filter(({ pages }) => pages[count] === digest)
    count += 1
    if (alike.length === 0) return []
  }
  return alike.filter(({ pages }) => pages.length === count).map(({ digest }) => digest)
}

/**
 * The first of these runs that trains on the pairs that a run of now would. One without a snapshot takes them still. How long either
 * waits for comparisons is nothing that is trained: it counts only while some are waiting that the other did not wait for.
 */
export const findIdentical = async (
  env: Pick<Environment, "DB" | "BLOBS">,
  payload: RetrainPayload,
  running: readonly RunningColumns[],
): Promise<string | undefined> => {
  const { datasetId, ingestWaitMs = 0 } = payload
  const snapshots = running.flatMap(({ snapshot }) => snapshot ?? [])
  const now = snapshots.length === 0 ? [] : await snapshotsOfNow(env, payload, [...new Set(snapshots)])
  for (const { id, created_at, ingest_wait_ms, snapshot } of running) {
    const hasSamePairs = snapshot === null || now.includes(snapshot)
    const since = ingest_wait_ms < ingestWaitMs ? 0 : created_at
    if (hasSamePairs && !(await hasWaitingSince(env.DB, datasetId, since))) return id
  }
  return undefined
}
