// A model's evaluations, newest first.
import { Effect } from "effect"
import { type EvaluationRow, evaluationOfRow } from "#shared/wire/evaluation-row.ts"
import { Database } from "./Database.ts"
import { type Cursor, LATEST, readPage } from "./paging.ts"

export const listEvaluations = Effect.fnUntraced(function* (
  modelName: string,
  cursor: Cursor | undefined,
  limit: number,
) {
  const database = yield* Database
  const rows = yield* database.all<EvaluationRow>(
    `SELECT * FROM evaluations WHERE model_name = ? AND (created_at, id) < (?, ?)
      ORDER BY created_at DESC, id DESC LIMIT ?`,
    ...[modelName, ...(cursor ?? LATEST), limit + 1],
  )
  return readPage(rows, limit, evaluationOfRow, (row) => [row.created_at, row.id])
})
