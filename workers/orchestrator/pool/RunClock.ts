// How long runs may still take, in the pool's SQLite: until a runner takes a run's first job it may wait, from then on its hours count,
// whoever works on it and whether anybody does.
import { HOUR_MS, MOST_WAITING_DAYS, type ResolvedRunLimits, tooManyHours } from "#shared/domain/RunLimits.ts"

const TABLE = `
CREATE TABLE IF NOT EXISTS run_clocks (
  run_id TEXT PRIMARY KEY, hours REAL NOT NULL, steps INTEGER NOT NULL,
  started_at INTEGER,                    -- when its first job was leased first
  ends_at INTEGER NOT NULL
);
`

interface ClockColumns extends Record<string, SqlStorageValue> {
  run_id: string
  hours: number
  steps: number
  started_at: number | null
  ends_at: number
}

/** Of `run_clocks`, those of runs with an open job: found from the jobs, because clocks of runs that are over stay. */
const IS_OPEN = "run_id IN (SELECT run_id FROM jobs WHERE status IN ('queued', 'leased'))"

export class RunClock {
  readonly #sql: SqlStorage
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(TABLE)
  }

  /** Bounds a run; what bounds it already stays. */
  begin(runId: string, { hours, steps }: ResolvedRunLimits): void {
    this.#sql.exec(
      "INSERT INTO run_clocks (run_id, hours, steps, ends_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
      ...[runId, hours, steps, Date.now() + MOST_WAITING_DAYS * 24 * HOUR_MS],
    )
  }

  /** A runner has taken a job of this run. */
  start(runId: string): void {
    const now = Date.now()
    this.#sql.exec(
      "UPDATE run_clocks SET started_at = ?1, ends_at = ?1 + CAST(hours * ?2 AS INTEGER) WHERE run_id = ?3 AND started_at IS NULL",
      ...[now, HOUR_MS, runId],
    )
  }

  /** The job that was taken was given back as beyond that runner: a run of which nobody worked on any waits as before. */
  unstart(runId: string): void {
    this.#sql.exec(
      `UPDATE run_clocks SET started_at = NULL, ends_at = ?2
        WHERE run_id = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.run_id = ?1 AND attempts > 0)`,
      ...[runId, Date.now() + MOST_WAITING_DAYS * 24 * HOUR_MS],
    )
  }

  /** Steps that a run may take, and the time at which it ends; nothing of a run that is not bounded. */
  find(runId: string): { readonly steps: number; readonly endsAt: number } | undefined {
    const row = this.#sql.exec<ClockColumns>("SELECT * FROM run_clocks WHERE run_id = ?", runId).toArray()[0]
    return row === undefined ? undefined : { steps: row.steps, endsAt: row.ends_at }
  }

  /** Of a run that is over. */
  forget(runId: string): void {
    this.#sql.exec("DELETE FROM run_clocks WHERE run_id = ?", runId)
  }

  /** Runs with an open job whose time is over, with the reason. */
  over(now: number): readonly { readonly runId: string; readonly reason: string }[] {
    return this.#sql
      .exec<ClockColumns>(`SELECT * FROM run_clocks WHERE ends_at <= ? AND ${IS_OPEN}`, now)
      .toArray()
      .map(({ run_id: runId, hours, started_at: startedAt }) => ({
        runId,
        reason:
          startedAt === null
            ? `no runner asked for it in ${MOST_WAITING_DAYS} days; start a runner, and the run again`
            : tooManyHours(hours),
      }))
  }

  /** When the first of the runs with an open job ends. */
  nextEnd(): number | undefined {
    const row = this.#sql
      .exec<{ at: number | null }>(`SELECT min(ends_at) AS at FROM run_clocks WHERE ${IS_OPEN}`)
      .one()
    return row.at ?? undefined
  }
}
