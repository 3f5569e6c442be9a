// The pool's jobs in SQLite. Every method is synchronous and decides from what is stored, never from memory: the platform may
// have started the object anew elsewhere, and the old one learns of it only when it touches its storage. Nothing can happen
// between a check and its write. Over 300 lines: one table, whose rules hold together.
import type { JobProgress, JobSpec } from "#shared/wire/job.ts"

const MAX_JOB_ATTEMPTS = 5
const FIRST_RETRY_MS = 1000
/** So long a run that is under way, and whose job was done, may take to post its next, before the jobs of newer runs are handed out. */
const NEXT_JOB_MS = 2000
const METRICS_FORGOTTEN_AT_ONCE = 20_000

export type JobStatus = "queued" | "leased" | "done" | "failed"

export interface Job {
  readonly id: string
  readonly runId: string
  readonly name: string
  readonly spec: JobSpec
  readonly status: JobStatus
  readonly attempts: number
  readonly fencingToken: number
  readonly runnerId: string | null
  readonly leaseExpiresAt: number | null
  /** Since when its last lease is. */
  readonly leasedAt: number | null
  /** JSON of what that lease told last, and nothing of the one before. */
  readonly progress: string | null
  /** JSON of the result, of a job that is done. */
  readonly result: string | null
  readonly error: string | null
}

interface JobColumns extends Record<string, SqlStorageValue> {
  id: string
  run_id: string
  name: string
  spec: string
  status: string
  attempts: number
  fencing_token: number
  runner_id: string | null
  lease_expires_at: number | null
  leased_at: number | null
  progress: string | null
  result: string | null
  error: string | null
}

const TABLES = `
CREATE TABLE IF NOT EXISTS jobs (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  run_sequence INTEGER NOT NULL,         -- the sequence of the run's first job: jobs of older runs go first
  id TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL,
  status TEXT NOT NULL, attempts INTEGER NOT NULL, fencing_token INTEGER NOT NULL,
  available_at INTEGER NOT NULL,         -- not leased before
  runner_id TEXT, adapter TEXT, lease_expires_at INTEGER, leased_at INTEGER, progress TEXT,
  result TEXT, error TEXT,
  told INTEGER NOT NULL,                 -- whether the workflow knows how it ended
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, run_sequence, sequence);
CREATE INDEX IF NOT EXISTS jobs_by_run ON jobs (run_id);
CREATE TABLE IF NOT EXISTS metrics (
  job_id TEXT NOT NULL, step INTEGER NOT NULL, fencing_token INTEGER NOT NULL, line TEXT NOT NULL,
  PRIMARY KEY (job_id, step)
);
CREATE TABLE IF NOT EXISTS cancelled (
  run_id TEXT PRIMARY KEY                -- of runs that no job follows of: cancelled, or over
);
`

/** `older` was done after ?2, its run is not over, none of it is open and none was posted since: a newer run's first job would hold up its next. */
const JUST_DONE = `older.status = 'done' AND older.updated_at > ?2 AND older.run_id NOT IN (SELECT run_id FROM cancelled)
  AND NOT EXISTS (SELECT 1 FROM jobs other WHERE other.run_id = older.run_id
                     AND (other.status IN ('queued', 'leased') OR other.created_at > older.updated_at))`

const jobOf = (row: JobColumns): Job => ({
  id: row.id,
  runId: row.run_id,
  name: row.name,
  spec: JSON.parse(row.spec) as JobSpec,
  status: row.status as JobStatus,
  attempts: row.attempts,
  fencingToken: row.fencing_token,
  runnerId: row.runner_id,
  leaseExpiresAt: row.lease_expires_at,
  leasedAt: row.leased_at,
  progress: row.progress,
  result: row.result,
  error: row.error,
})

export class JobStore {
  readonly #sql: SqlStorage
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(TABLES)
    const hasLeasedAt =
      sql.exec("SELECT 1 FROM pragma_table_info('jobs') WHERE name = 'leased_at'").toArray().length > 0
    if (!hasLeasedAt) sql.exec("ALTER TABLE jobs ADD COLUMN leased_at INTEGER")
  }

  #select(condition: string, ...bindings: SqlStorageValue[]): Job[] {
    return this.#sql
      .exec<JobColumns>(`SELECT * FROM jobs WHERE ${condition}`, ...bindings)
      .toArray()
      .map(jobOf)
  }

  find(jobId: string): Job | undefined {
    return this.#select("id = ?", jobId)[0]
  }

  /** Queues a job. One that is there stays; if it has ended, its workflow is told once more. */
  add(runId: string, name: string, spec: JobSpec): void {
    const now = Date.now()
    const id = `${runId}-${name}`
    this.#sql.exec(
      `INSERT INTO jobs (run_sequence, id, run_id, name, spec, status, attempts, fencing_token, available_at, told, created_at, updated_at)
       SELECT coalesce((SELECT min(run_sequence) FROM jobs WHERE run_id = ?1), (SELECT coalesce(max(sequence), 0) + 1 FROM jobs)),
              ?2, ?1, ?3, ?4, 'queued', 0, 0, 0, 0, ?5, ?5
        WHERE NOT EXISTS (SELECT 1 FROM cancelled WHERE cancelled.run_id = ?1)
       ON CONFLICT (id) DO UPDATE SET told = 0`,
      ...[runId, id, name, JSON.stringify(spec), now],
    )
  }

  /** Ends the run's open jobs, of which its workflow need not hear, and lets none follow. */
  endRun(runId: string, why: string): void {
    this.#sql.exec("INSERT INTO cancelled (run_id) VALUES (?) ON CONFLICT DO NOTHING", runId)
    this.#sql.exec(
      `UPDATE jobs SET status = 'failed', error = ?, lease_expires_at = NULL, told = 1, updated_at = ?
        WHERE run_id = ? AND status IN ('queued', 'leased')`,
      ...[why, Date.now(), runId],
    )
  }

  /** The first queued job of a run of which none is worked on, with the number of jobs that go before it and when it may be leased. */
  queuedJob(runId: string): { readonly job: Job; readonly before: number; readonly availableAt: number } | undefined {
    const row = this.#sql
      .exec<JobColumns & { available_at: number; before: number }>(
        `SELECT jobs.*, (SELECT count(*) FROM jobs other WHERE other.status IN ('queued', 'leased')
                            AND (other.run_sequence, other.sequence) < (jobs.run_sequence, jobs.sequence)) AS before
           FROM jobs WHERE run_id = ?1 AND status = 'queued'
            AND NOT EXISTS (SELECT 1 FROM jobs leased WHERE leased.run_id = ?1 AND leased.status = 'leased')
          ORDER BY sequence LIMIT 1`,
        runId,
      )
      .toArray()[0]
    return row === undefined ? undefined : { job: jobOf(row), before: row.before, availableAt: row.available_at }
  }

  /** The unfinished job of this runner, else the next that may be leased now, but for some. */
  nextFor(runnerId: string, now: number, except: readonly string[] = []): Job | undefined {
    return (
      this.#select("status = 'leased' AND runner_id = ? ORDER BY sequence LIMIT 1", runnerId)[0] ??
      this.#select(
        `status = 'queued' AND available_at <= ?1 AND id NOT IN (SELECT value FROM json_each(?3))
         AND NOT EXISTS (SELECT 1 FROM jobs older WHERE older.run_sequence < jobs.run_sequence AND ${JUST_DONE})
         ORDER BY run_sequence, sequence LIMIT 1`,
        ...[now, now - NEXT_JOB_MS, JSON.stringify(except)],
      )[0]
    )
  }

  /** Leases a job under a new fencing token, or parks it when its attempts are used up (then undefined). */
  lease(job: Job, runner: { readonly id: string; readonly adapter: string }, expiresAt: number): Job | undefined {
    if (job.attempts >= MAX_JOB_ATTEMPTS) {
      this.park(job, job.error ?? `runner "${job.runnerId}" came back without having finished`)
      return undefined
    }
    this.#sql.exec(
      `UPDATE jobs SET status = 'leased', attempts = attempts + 1, fencing_token = fencing_token + 1,
              runner_id = ?1, adapter = ?2, lease_expires_at = ?3, leased_at = ?4, progress = NULL, updated_at = ?4 WHERE id = ?5`,
      ...[runner.id, runner.adapter, expiresAt, Date.now(), job.id],
    )
    return this.find(job.id)
  }

  extend(jobId: string, expiresAt: number, progress: JobProgress | undefined): void {
    this.#sql.exec(
      "UPDATE jobs SET lease_expires_at = ?, progress = coalesce(?, progress), updated_at = ? WHERE id = ?",
      ...[expiresAt, progress === undefined ? null : JSON.stringify(progress), Date.now(), jobId],
    )
  }

  finish(jobId: string, result: string): void {
    this.#sql.exec(
      "UPDATE jobs SET status = 'done', result = ?, error = NULL, lease_expires_at = NULL, told = 0, updated_at = ? WHERE id = ?",
      ...[result, Date.now(), jobId],
    )
  }

  /** Back into the queue after a pause that doubles, or parked when it was the last attempt. */
  retry(job: Job, error: string): void {
    if (job.attempts >= MAX_JOB_ATTEMPTS) {
      this.park(job, error)
      return
    }
    const delayMs = FIRST_RETRY_MS * 2 ** (job.attempts - 1)
    this.#sql.exec(
      `UPDATE jobs SET status = 'queued', error = ?, available_at = ?, lease_expires_at = NULL, updated_at = ? WHERE id = ?`,
      ...[error, Date.now() + delayMs, Date.now(), job.id],
    )
  }

  /** Back into the queue at once, for a runner that can do it: that was no attempt, unless it was worked on. */
  handBack(job: Job, error: string, wasWorkedOn: boolean): Job {
    if (wasWorkedOn && job.attempts >= MAX_JOB_ATTEMPTS) this.park(job, error)
    else
      this.#sql.exec(
        `UPDATE jobs SET status = 'queued', error = ?, attempts = attempts - ?, available_at = 0, lease_expires_at = NULL, updated_at = ?
          WHERE id = ?`,
        ...[wasWorkedOn ? error : job.error, wasWorkedOn ? 0 : 1, Date.now(), job.id],
      )
    return this.find(job.id)!
  }

  /** Ends a job whose attempts are used up. */
  park(job: Job, error: string): void {
    this.fail(job.id, `gave up after ${job.attempts} attempts: ${error}`)
  }

  fail(jobId: string, error: string): void {
    this.#sql.exec(
      "UPDATE jobs SET status = 'failed', error = ?, lease_expires_at = NULL, told = 0, updated_at = ? WHERE id = ?",
      ...[error, Date.now(), jobId],
    )
  }

  /** Ends the open job of a run for good. */
  failRun(runId: string, error: string): void {
    for (const { id } of this.#select("run_id = ? AND status IN ('queued', 'leased')", runId)) this.fail(id, error)
  }

  /** Takes back every lease whose time is over. Its runner has shown no life for a whole lease: no pause is needed. */
  expire(now: number): void {
    for (const job of this.#select("status = 'leased' AND lease_expires_at <= ?", now)) {
      const error = `runner "${job.runnerId}" stopped answering`
      if (job.attempts >= MAX_JOB_ATTEMPTS) this.park(job, error)
      else
        this.#sql.exec(
          "UPDATE jobs SET status = 'queued', error = ?, available_at = 0, lease_expires_at = NULL, updated_at = ? WHERE id = ?",
          ...[error, now, job.id],
        )
    }
  }

  /** Ended jobs of which the workflow may not know. */
  untold(): Job[] {
    return this.#select("status IN ('done', 'failed') AND told = 0 ORDER BY sequence LIMIT 50")
  }

  recordTold(jobId: string): void {
    this.#sql.exec("UPDATE jobs SET told = 1 WHERE id = ?", jobId)
  }

  /** When something has to happen by itself: a lease ends, a pause ends, or newer runs need not wait any longer. */
  nextEventAt(): number | undefined {
    const now = Date.now()
    const row = this.#sql
      .exec<{ at: number | null }>(
        `SELECT min(CASE status WHEN 'leased' THEN lease_expires_at WHEN 'queued' THEN available_at ELSE updated_at + ?1 END) AS at
           FROM jobs older
          WHERE status = 'leased' OR (status = 'queued' AND available_at > ?3)
             OR (${JUST_DONE} AND EXISTS (SELECT 1 FROM jobs newer WHERE newer.status = 'queued'))`,
        ...[NEXT_JOB_MS, now - NEXT_JOB_MS, now],
      )
      .one()
    return row.at ?? undefined
  }

  /** Progress of the run's leased job. */
  progress(runId: string): JobProgress | null {
    const row = this.#sql
      .exec<{ progress: string | null }>(
        "SELECT progress FROM jobs WHERE run_id = ? AND status = 'leased' ORDER BY sequence DESC LIMIT 1",
        runId,
      )
      .toArray()[0]
    return row?.progress == null ? null : (JSON.parse(row.progress) as JobProgress)
  }

  /** Line `index` belongs to step `fromStep + index`. What an earlier lease wrote from there on is void. */
  addMetrics(job: Job, fromStep: number, lines: readonly string[]): void {
    this.#sql.exec(
      "DELETE FROM metrics WHERE job_id = ? AND step >= ? AND fencing_token < ?",
      ...[job.id, fromStep, job.fencingToken],
    )
    lines.forEach((line, index) => {
      this.#sql.exec(
        "INSERT OR REPLACE INTO metrics (job_id, step, fencing_token, line) VALUES (?, ?, ?, ?)",
        ...[job.id, fromStep + index, job.fencingToken, line],
      )
    })
  }

  /** The run's metrics, job by job, in the order of their steps. */
  metrics(runId: string): string[] {
    return this.#sql
      .exec<{ line: string }>(
        `SELECT m.line FROM metrics m JOIN jobs j ON j.id = m.job_id WHERE j.run_id = ? ORDER BY j.sequence, m.step`,
        runId,
      )
      .toArray()
      .map(({ line }) => line)
  }

  /** Deletes the run's jobs; of those with metrics the row stays, by which they are found. */
  forget(runId: string): void {
    this.#sql.exec("UPDATE jobs SET spec = '{}', result = NULL, progress = NULL WHERE run_id = ?", runId)
    this.#sql.exec(
      "DELETE FROM jobs WHERE run_id = ? AND id NOT IN (SELECT job_id FROM metrics WHERE job_id = jobs.id)",
      runId,
    )
    this.#sql.exec("DELETE FROM cancelled WHERE run_id = ?", runId)
  }

  /** Deletes some of the run's metrics, then its jobs; true when that is done. */
  forgetMetrics(runId: string): boolean {
    const { rowsWritten } = this.#sql.exec(
      `DELETE FROM metrics WHERE rowid IN (
         SELECT m.rowid FROM metrics m JOIN jobs j ON j.id = m.job_id WHERE j.run_id = ? LIMIT ?)`,
      ...[runId, METRICS_FORGOTTEN_AT_ONCE],
    )
    if (rowsWritten > 0) return false
    this.forget(runId)
    return true
  }
}
