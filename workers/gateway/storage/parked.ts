// Comparisons that the scorer gave up, back on their way: received again, with a new outbox row.
import { Clock, Effect } from "effect"
import { LIMITS } from "#shared/wire/limits.ts"
import { Database } from "./Database.ts"

/** Those to replay, the oldest first; named ones that are not parked are left alone. `statements` do it in one transaction. */
export const planReplay = Effect.fnUntraced(function* (datasetId: string, named: readonly string[] | undefined) {
  const database = yield* Database
  const rows = yield* database.all<{ id: string }>(
    `SELECT id FROM comparisons WHERE dataset_id = ?1 AND status = 'parked'
        AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2))) ORDER BY received_at, id LIMIT ?3`,
    ...[datasetId, named === undefined ? null : JSON.stringify(named), LIMITS.replayedAtOnce],
  )
  const ids = JSON.stringify(rows.map(({ id }) => id))
  const parked = "status = 'parked' AND id IN (SELECT value FROM json_each(?1))"
  const statements = [
    database.prepare(
      `INSERT OR IGNORE INTO outbox (comparison_id, created_at) SELECT id, ?2 FROM comparisons WHERE ${parked}`,
      ids,
      yield* Clock.currentTimeMillis,
    ),
    database.prepare(
      `UPDATE comparisons SET status = 'received', reason = NULL, processed_at = NULL WHERE ${parked}`,
      ids,
    ),
  ]
  return { replayed: rows.length, statements }
})
