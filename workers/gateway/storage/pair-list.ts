// Pairs, by id.
import { Effect } from "effect"
import type { StoredPair } from "#shared/api/comparisons.ts"
import { Database } from "./Database.ts"
import { type Cursor, readPage } from "./paging.ts"

type Item = typeof StoredPair.Type

interface Row {
  readonly id: string
  readonly comparison_id: string
  readonly task: string | null
  readonly status: Item["status"]
  readonly reason: string | null
  readonly weight: number
  readonly split: Item["split"]
  readonly prompt_tokens: number
  readonly chosen_tokens: number
  readonly rejected_tokens: number
  readonly votes_for: number
  readonly votes_against: number
  readonly created_at: number
}

const itemOf = (row: Row): Item => ({
  id: row.id,
  comparisonId: row.comparison_id,
  ...(row.task === null ? {} : { task: row.task }),
  status: row.status,
  ...(row.reason === null ? {} : { reason: row.reason }),
  weight: row.weight,
  split: row.split,
  votesFor: row.votes_for,
  votesAgainst: row.votes_against,
  promptTokens: row.prompt_tokens,
  chosenTokens: row.chosen_tokens,
  rejectedTokens: row.rejected_tokens,
  createdAt: row.created_at,
})

const COLUMNS =
  "id, comparison_id, task, status, reason, weight, split, votes_for, votes_against, prompt_tokens, chosen_tokens, rejected_tokens, created_at"

/** One page of a dataset's pairs, of one status where one is named. */
export const listPairs = Effect.fnUntraced(function* (
  datasetId: string,
  status: Item["status"] | undefined,
  cursor: Cursor | undefined,
  limit: number,
) {
  const database = yield* Database
  const rows = yield* database.all<Row>(
    `SELECT ${COLUMNS} FROM pairs WHERE dataset_id = ? AND id > ? AND status = coalesce(?, status) AND side = 0 ORDER BY id LIMIT ?`,
    ...[datasetId, cursor?.[1] ?? "", status ?? null, limit + 1],
  )
  return readPage(rows, limit, itemOf, (row) => [0, row.id])
})
