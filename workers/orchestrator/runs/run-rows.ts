// A run's row in the read model. Each write may be repeated: the row is the newest state, not a log.
import type { Run, RunDetail, RunStep } from "#shared/domain/Run.ts"
import { type RunRow, runOfRow } from "#shared/wire/run-row.ts"
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

export const findRun = async (db: D1Database, id: string): Promise<Run | undefined> => {
  const row = await db.prepare("SELECT * FROM runs WHERE id = ?").bind(id).first<RunRow>()
  return row === null ? undefined : runOfRow(row)
}

/** The dataset's newest run. */
export const findLastRun = async (db: D1Database, datasetId: string): Promise<Run | undefined> => {
  const row = await db
    .prepare("SELECT * FROM runs WHERE dataset_id = ? ORDER BY created_at DESC, id DESC LIMIT 1")
    .bind(datasetId)
    .first<RunRow>()
  return row === null ? undefined : runOfRow(row)
}
