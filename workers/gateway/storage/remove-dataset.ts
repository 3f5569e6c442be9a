// Deleting a dataset, as far as one transaction goes: from then on it is as if it were gone, its endpoints take nothing, and triggers let nobody
// add to it. What is left of it is deleted by the sweep (workers/orchestrator/sweep/purge-dataset.ts). Its runs stay, under a row of their own.
import { Clock, Effect } from "effect"
import type { DatasetDeletion } from "#shared/api/datasets.ts"
import { Conflict, DatasetNotFound } from "#shared/api/problems.ts"
import { deletedDatasetId } from "#shared/wire/run-row.ts"
import type { Database } from "./Database.ts"

/** Not while a run is under way: it would go on with pairs that are gone. */
const MARK = `
  UPDATE datasets SET deleted_at = ?2
   WHERE id = ?1 AND deleted_at IS NULL AND deleted_id IS NULL
     AND NOT EXISTS (SELECT 1 FROM runs WHERE dataset_id = ?1 AND status = 'running')`

/** Whether this request is the one that deleted it. */
const IS_MARKED = "EXISTS (SELECT 1 FROM datasets WHERE id = ?1 AND deleted_at = ?2)"

const KEEP_FOR_RUNS = `
  INSERT OR IGNORE INTO datasets (id, reference_model, reference_version, max_length, retrain_config, created_at, deleted_at, deleted_id)
  SELECT ?3, reference_model, reference_version, max_length, '{}', created_at, deleted_at, id FROM datasets
   WHERE id = ?1 AND deleted_at = ?2 AND EXISTS (SELECT 1 FROM runs WHERE dataset_id = ?1)`

const MOVE_RUNS = `UPDATE runs SET dataset_id = ?3 WHERE dataset_id = ?1 AND ${IS_MARKED}`

const END_ENDPOINTS = `
  UPDATE webhook_endpoints SET deleted_at = coalesce(deleted_at, ?2), secrets = '[]' WHERE dataset_id = ?1 AND ${IS_MARKED}`

/** To the next dataset of its id nothing was said yet. */
const FORGET_ANSWERS = `DELETE FROM idempotency WHERE dataset_id = ?1 AND ${IS_MARKED}`

const LOOK = `
  SELECT deleted_at, (SELECT id FROM runs WHERE dataset_id = ?1 AND status = 'running' LIMIT 1) AS run_id,
         (SELECT count(*) FROM comparisons WHERE dataset_id = ?1) AS comparisons
    FROM datasets WHERE id = ?1 AND deleted_id IS NULL`

interface Look {
  readonly deleted_at: number | null
  readonly run_id: string | null
  readonly comparisons: number
}

export const removeDataset = Effect.fnUntraced(function* (database: Database["Service"], id: string) {
  const now = yield* Clock.currentTimeMillis
  const marked = [id, now] as const
  const statements = [
    database.prepare(MARK, ...marked),
    database.prepare(KEEP_FOR_RUNS, ...marked, deletedDatasetId(id, now)),
    database.prepare(MOVE_RUNS, ...marked, deletedDatasetId(id, now)),
    database.prepare(END_ENDPOINTS, ...marked),
    database.prepare(FORGET_ANSWERS, ...marked),
    database.prepare(LOOK, id),
  ]
  const results = yield* Effect.orDie(database.batch(statements))
  const look = results.at(-1)?.results[0] as Look | undefined
  if (look === undefined)
    return yield* new DatasetNotFound({
      detail: `There is no dataset ${JSON.stringify(id)}; if it was deleted, nothing is left of it but its runs and models.`,
    })
  if (look.deleted_at === null)
    return yield* new Conflict({
      detail: `Run ${JSON.stringify(look.run_id)} of the dataset is under way; cancel it with POST /v1/runs/${look.run_id}/cancel, or wait for its end, then delete the dataset.`,
    })
  return { id, deletedAt: look.deleted_at, comparisonsLeft: look.comparisons } satisfies DatasetDeletion
})
