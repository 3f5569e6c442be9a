// Two triggers that would train the same: same dataset, pairs, configuration, base, name and promotion. While the first one's run is under
// way the second is answered with it, whichever way it came; it must say that it wants a run of its own.
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
  ingestWaitMs = 0,
}: RetrainPayload): Promise<string> =>
  // One that waits for comparisons is no other's that did not.
  sha256Hex(
    canonicalJson({
      ...{ datasetId, config, base, gates, modelName, promotion, ingestWaitMs },
      ...(limits ? { limits } : {}),
    }),
  )

interface RunningColumns {
  readonly id: string
  readonly created_at: number
  /** Of the snapshot; null before it was taken. */
  readonly snapshot: string | null
}

/** Runs under way with this fingerprint, the oldest first. */
export const findRunning = async (db: D1Database, fingerprint: string): Promise<readonly RunningColumns[]> => {
  const { results } = await db
    .prepare(
      `SELECT id, created_at, json_extract(detail, '$.snapshot.digest') AS snapshot
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

/** The first of these runs that trains on the pairs that a run of now would. One without a snapshot takes them still. */
export const findIdentical = async (
  db: D1Database,
  datasetId: string,
  running: readonly RunningColumns[],
): Promise<string | undefined> => {
  if (running.length === 0) return undefined
  const now = running.some(({ snapshot }) => snapshot !== null)
    ? await sha256Hex(canonicalJson(await frozenPairs(db, datasetId)))
    : undefined
  for (const { id, created_at, snapshot } of running) {
    const hasSamePairs = snapshot === null || snapshot === now
    if (hasSamePairs && !(await hasWaitingSince(db, datasetId, created_at))) return id
  }
  return undefined
}
