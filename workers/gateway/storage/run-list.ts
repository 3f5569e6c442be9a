// Runs, newest first.
import { Effect, Schema } from "effect"
import { type Run, RunDetail } from "#shared/domain/Run.ts"
import { Database } from "./Database.ts"
import { type Cursor, readPage } from "./paging.ts"

interface Row {
  readonly id: string
  readonly dataset_id: string
  readonly trigger: Run["trigger"]
  readonly method: string
  readonly status: Run["status"]
  readonly step: Run["step"]
  readonly detail: string
  readonly error: string | null
  readonly created_at: number
  readonly updated_at: number
}

const decodeDetail = Schema.decodeUnknownSync(Schema.fromJsonString(RunDetail))

const runOf = (row: Row): Run => ({
  id: row.id,
  datasetId: row.dataset_id,
  trigger: row.trigger,
  method: row.method,
  status: row.status,
  step: row.step,
  detail: decodeDetail(row.detail),
  ...(row.error === null ? {} : { error: row.error }),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const LATEST: Cursor = [Number.MAX_SAFE_INTEGER, ""]

/** One page of runs, of one dataset where one is named. */
export const listRuns = Effect.fnUntraced(function* (
  datasetId: string | undefined,
  cursor: Cursor | undefined,
  limit: number,
) {
  const database = yield* Database
  const rows = yield* database.all<Row>(
    `SELECT * FROM runs WHERE dataset_id = coalesce(?, dataset_id) AND (created_at, id) < (?, ?)
      ORDER BY created_at DESC, id DESC LIMIT ?`,
    ...[datasetId ?? null, ...(cursor ?? LATEST), limit + 1],
  )
  return readPage(rows, limit, runOf, (row) => [row.created_at, row.id])
})
