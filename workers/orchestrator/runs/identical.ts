// Two triggers that would train the same: same dataset, pairs, configuration, base, limits, name and promotion. While the first one's run
// is under way the second is answered with it, whichever way it came; it must say that it wants a run of its own.
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import type { RetrainPayload } from "#shared/workflows/retrain.ts"
import { frozenPairs } from "../retrain/frozen-pairs.ts"

/** Of everything that a run depends on but its pairs, which are looked up when there is a run to compare with. */
export const fingerprintOf = ({
  datasetId,
  config,
  base,
  gates,
  limits,
  modelName,
  promotion,
}: RetrainPayload): Promise<string> =>
  sha256Hex(
    canonicalJson({ ...{ datasetId, config, base, gates, modelName, promotion }, ...(limits ? { limits } : {}) }),
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

/**
 * The first of these runs that trains on the pairs that a run of now would. One without a snapshot takes them still. How long either
 * waits for comparisons is nothing that is trained: it counts only while some are waiting that the other did not wait for.
 */
export const findIdentical = async (
  db: D1Database,
  { datasetId, ingestWaitMs = 0 }: RetrainPayload,
  running: readonly RunningColumns[],
): Promise<string | undefined> => {
  if (running.length === 0) return undefined
  const now = running.some(({ snapshot }) => snapshot !== null)
    ? await sha256Hex(canonicalJson(await frozenPairs(db, datasetId)))
    : undefined
  for (const { id, created_at, ingest_wait_ms, snapshot } of running) {
    const hasSamePairs = snapshot === null || snapshot === now
    const since = ingest_wait_ms < ingestWaitMs ? 0 : created_at
    if (hasSamePairs && !(await hasWaitingSince(db, datasetId, since))) return id
  }
  return undefined
}
