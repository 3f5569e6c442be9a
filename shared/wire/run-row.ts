// A run's row in D1: the orchestrator writes it step by step, and whoever shows runs reads it.
import { Schema } from "effect"
import { Run } from "#shared/domain/Run.ts"

export interface RunRow {
  readonly id: string
  readonly dataset_id: string
  readonly trigger: string
  readonly method: string
  readonly status: string
  readonly step: string
  /** JSON of `RunDetail`. */
  readonly detail: string
  readonly error: string | null
  readonly created_at: number
  readonly updated_at: number
}

/** The id of what stays of a deleted dataset for its runs: no dataset that is made can have it. */
export const deletedDatasetId = (id: string, deletedAt: number): string => `${id}~${deletedAt}`

const datasetOf = (stored: string) => {
  const [datasetId, deletedAt] = stored.split("~")
  return { datasetId, ...(deletedAt === undefined ? {} : { datasetDeletedAt: Number(deletedAt) }) }
}

const decodeRun = Schema.decodeUnknownSync(Run)

/** The run of a row. Throws Schema's error where the row holds no run. */
export const runOfRow = (row: RunRow): Run =>
  decodeRun({
    id: row.id,
    ...datasetOf(row.dataset_id),
    trigger: row.trigger,
    method: row.method,
    status: row.status,
    step: row.step,
    detail: JSON.parse(row.detail),
    ...(row.error === null ? {} : { error: row.error }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  })
