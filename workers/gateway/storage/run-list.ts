// Runs, newest first.
import { Effect } from "effect"
import { type RunRow, runOfRow } from "#shared/wire/run-row.ts"
import { Database } from "./Database.ts"
import { type Cursor, LATEST, readPage } from "./paging.ts"

/** One page of runs, of one dataset where one is named. */
export const listRuns = Effect.fnUntraced(function* (
  datasetId: string | undefined,
  cursor: Cursor | undefined,
  limit: number,
) {
  const database = yield* Database
  const rows = yield* database.all<RunRow>(
    `SELECT * FROM runs WHERE dataset_id = coalesce(?, dataset_id) AND (created_at, id) < (?, ?)
      ORDER BY created_at DESC, id DESC LIMIT ?`,
    ...[datasetId ?? null, ...(cursor ?? LATEST), limit + 1],
  )
  return readPage(rows, limit, runOfRow, (row) => [row.created_at, row.id])
})
