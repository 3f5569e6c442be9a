// A run's row in the read model. Each write may be repeated: the row is the newest state, not a log.
import { Schema } from "effect"
import { Run, type RunDetail, type RunStep } from "#shared/domain/Run.ts"
import type { RetrainPayload } from "#shared/workflows/retrain.ts"

type RunStart = Pick<RetrainPayload, "datasetId" | "trigger" | "config" | "createdAt">

/** Adds the row of a run that starts; a row that is there stays. */
export const insertRun = async (db: D1Database, id: string, run: RunStart): Promise<void> => {
  await db
    .prepare(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
       VALUES (?, ?, ?, ?, 'running', 'snapshot', '{}', ?, ?) ON CONFLICT (id) DO NOTHING`,
    )
    .bind(id, run.datasetId, run.trigger, String(run.config.method), run.createdAt, run.createdAt)
    .run()
}

/** Stores what a step reported and says which step is under way now. */
export const recordStep = async <S extends keyof RunDetail>(
  db: D1Database,
  id: string,
  report: { readonly step: S; readonly detail: NonNullable<RunDetail[S]>; readonly next: RunStep },
): Promise<void> => {
  await db
    .prepare(
      `UPDATE runs SET detail = json_set(detail, '$.' || ?, json(?)), step = ?, updated_at = ?
        WHERE id = ? AND status = 'running'`,
    )
    .bind(report.step, JSON.stringify(report.detail), report.next, Date.now(), id)
    .run()
}

/** Ends the run. A failed one keeps the step at which it failed. */
export const recordOutcome = async (db: D1Database, id: string, error: string | undefined): Promise<void> => {
  const set = error === undefined ? "status = 'succeeded', step = 'done', error = NULL" : "status = 'failed', error = ?"
  await db
    .prepare(`UPDATE runs SET ${set}, updated_at = ? WHERE id = ?`)
    .bind(...(error === undefined ? [] : [error]), Date.now(), id)
    .run()
}

export interface RunColumns {
  readonly id: string
  readonly dataset_id: string
  readonly trigger: string
  readonly method: string
  readonly status: string
  readonly step: string
  readonly detail: string
  readonly error: string | null
  readonly created_at: number
  readonly updated_at: number
}

const decodeRun = Schema.decodeUnknownSync(Run)

const runOf = (row: RunColumns): Run =>
  decodeRun({
    id: row.id,
    datasetId: row.dataset_id,
    trigger: row.trigger,
    method: row.method,
    status: row.status,
    step: row.step,
    detail: JSON.parse(row.detail),
    ...(row.error === null ? {} : { error: row.error }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  })

export const findRun = async (db: D1Database, id: string): Promise<Run | undefined> => {
  const row = await db.prepare("SELECT * FROM runs WHERE id = ?").bind(id).first<RunColumns>()
  return row === null ? undefined : runOf(row)
}

/** The dataset's newest run. */
export const findLastRun = async (db: D1Database, datasetId: string): Promise<Run | undefined> => {
  const row = await db
    .prepare("SELECT * FROM runs WHERE dataset_id = ? ORDER BY created_at DESC, id DESC LIMIT 1")
    .bind(datasetId)
    .first<RunColumns>()
  return row === null ? undefined : runOf(row)
}
