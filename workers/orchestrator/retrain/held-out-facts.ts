// What the database knows of a dataset's held-out pairs that no pack says: the work setting (`task` of a comparison), and whether an earlier run had
// the pair. Ids are digests, so the first pages are a fair sample of a large dataset, the same whenever it is drawn.
import type { OldPairs, Settings } from "./measure.ts"

const PAGE_PAIRS = 2000
const MOST_PAGES = 20

interface Row {
  readonly id: string
  readonly task: string | null
  readonly created_at: number
}

export interface HeldOutFacts {
  readonly settings: Settings
  readonly old: OldPairs
}

/** When the dataset's last run before this one that succeeded took its snapshot; null where there was none. */
const lastSnapshot = (db: D1Database, datasetId: string, runId: string): Promise<number | null> =>
  db
    .prepare(
      `SELECT json_extract(detail, '$.snapshot.takenAt') AS taken FROM runs
        WHERE dataset_id = ?1 AND status = 'succeeded' AND created_at < (SELECT created_at FROM runs WHERE id = ?2)
        ORDER BY created_at DESC, id DESC LIMIT 1`,
    )
    .bind(datasetId, runId)
    .first<number>("taken")

/** Of at most 40 000 pairs. Old are those that were there at the last snapshot before this run's: taken back since, they are in neither. */
export const heldOutFacts = async (db: D1Database, datasetId: string, runId: string): Promise<HeldOutFacts> => {
  const settings = new Map<string, string>()
  const old = new Set<string>()
  const taken = (await lastSnapshot(db, datasetId, runId)) ?? Number.NEGATIVE_INFINITY
  let after = ""
  for (let page = 0; page < MOST_PAGES; page++) {
    const { results } = await db
      .prepare(
        `SELECT id, task, created_at FROM pairs
          WHERE dataset_id = ? AND status = 'ready' AND id > ? AND split = 'held-out' ORDER BY id LIMIT ?`,
      )
      .bind(datasetId, after, PAGE_PAIRS)
      .all<Row>()
    for (const { id, task, created_at: createdAt } of results) {
      if (task !== null) settings.set(id, task)
      if (createdAt <= taken) old.add(id)
    }
    if (results.length < PAGE_PAIRS) break
    after = results.at(-1)!.id
  }
  return { settings, old }
}
