// Comparisons, oldest first.
import { Effect } from "effect"
import type { StoredComparison } from "#shared/api/comparisons.ts"
import { Database } from "./Database.ts"
import { type Cursor, readPage } from "./paging.ts"

type Item = typeof StoredComparison.Type

interface Row {
  readonly id: string
  readonly source: Item["source"]
  readonly external_id: string
  readonly annotator: string | null
  readonly task: string | null
  readonly judgement_kind: Item["judgementKind"]
  readonly status: Item["status"]
  readonly reason: string | null
  readonly labelled_at: number | null
  readonly received_at: number
  readonly processed_at: number | null
  readonly endpoint_id: string
  readonly tool_project: string | null
}

const itemOf = (row: Row): Item => ({
  id: row.id,
  source: row.source,
  externalId: row.external_id,
  ...(row.annotator === null ? {} : { annotator: row.annotator }),
  ...(row.task === null ? {} : { task: row.task }),
  judgementKind: row.judgement_kind,
  status: row.status,
  ...(row.reason === null ? {} : { reason: row.reason }),
  ...(row.labelled_at === null ? {} : { labelledAt: row.labelled_at }),
  receivedAt: row.received_at,
  ...(row.processed_at === null ? {} : { processedAt: row.processed_at }),
  ...(row.endpoint_id === "" ? {} : { endpointId: row.endpoint_id }),
  ...(row.tool_project === null ? {} : { toolProject: row.tool_project }),
})

/** One page of a dataset's comparisons, of one status or webhook endpoint where one is named. */
export const listComparisons = Effect.fnUntraced(function* (
  datasetId: string,
  { status, endpoint }: { readonly status?: Item["status"] | undefined; readonly endpoint?: string | undefined },
  cursor: Cursor | undefined,
  limit: number,
) {
  const database = yield* Database
  const rows = yield* database.all<Row>(
    `SELECT * FROM comparisons WHERE dataset_id = ? AND (received_at, id) > (?, ?) AND status = coalesce(?, status)
        AND endpoint_id = coalesce(?, endpoint_id) ORDER BY received_at, id LIMIT ?`,
    ...[datasetId, ...(cursor ?? ([-1, ""] as const)), status ?? null, endpoint ?? null, limit + 1],
  )
  return readPage(rows, limit, itemOf, (row) => [row.received_at, row.id])
})
