// Jobs that runners gave back because they cannot do them, in the pool's SQLite: which runner, why, and since when. Such a job is given to others;
// who gave it back is asked again after a while, since a hub answers again, and a disk is emptied. What counts was said since the job was last
// worked on: whoever worked on it could.
import type { JobProgress } from "#shared/wire/job.ts"
import type { Follower } from "./Followers.ts"
import type { Job } from "./JobStore.ts"

const TABLE = `
CREATE TABLE IF NOT EXISTS declined (
  job_id TEXT NOT NULL, runner_id TEXT NOT NULL, run_id TEXT NOT NULL, reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,             -- the job's, when it was queued again
  asked INTEGER NOT NULL,                -- so often it said so
  first_at INTEGER NOT NULL, asked_again_at INTEGER NOT NULL,
  PRIMARY KEY (job_id, runner_id)
)`

/** Rows that count, beside their queued jobs. */
const COUNTING =
  "declined JOIN jobs ON jobs.id = declined.job_id AND jobs.attempts = declined.attempts AND jobs.status = 'queued'"
/** A runner is asked again so often until the time is over; one that is at work on other jobs as often, however long that takes. */
const TIMES_ASKED = 15
/** Whether some runner is at work that has not said often enough that it cannot do the job: it may do it next. */
const MAY_DO = `EXISTS (SELECT 1 FROM jobs busy WHERE busy.status = 'leased' AND busy.runner_id NOT IN
  (SELECT runner_id FROM declined given
    WHERE given.job_id = jobs.id AND given.attempts = jobs.attempts AND given.asked >= ${TIMES_ASKED}))`
/** Whoever holds a job for this share of the time has worked on it: a hub that does not answer is given up earlier, and not every job tells its steps. */
const SHARE_WORKED = 1 / 2
/** Of whom the reasons are told. */
const RUNNERS_TOLD = 5

export interface Declining {
  readonly job: { readonly id: string; readonly runId: string; readonly attempts: number }
  readonly runnerId: string
  readonly reason: string
}

export interface Refusals {
  /** Of each runner, whoever gave it back first first, in words. */
  readonly reasons: string
  /** When the job fails, where no runner can do it. */
  readonly endsAt: number
  readonly mayBeDone: boolean
}

interface RefusalColumns extends Record<string, SqlStorageValue> {
  job_id: string
  first_at: number
  may_be_done: number
}

const inWords = (durationMs: number): string => {
  const minutes = Math.round(durationMs / 60_000)
  if (durationMs < 60_000) return `${durationMs} ms`
  return minutes === 1 ? "a minute" : `${minutes} minutes`
}

export class Declined {
  readonly #sql: SqlStorage
  readonly #patienceMs: () => number
  /** After the tables of JobStore and Followers. `patienceMs`: how long a job that no runner can do waits for one that can. */
  constructor(sql: SqlStorage, patienceMs: () => number) {
    this.#sql = sql
    this.#patienceMs = patienceMs
    sql.exec(TABLE)
  }

  /** A runner that gave a job back is asked for it again after so long. */
  get #intervalMs(): number {
    return this.#patienceMs() / TIMES_ASKED
  }

  /** Whether the runner that holds a job has done some of it, beyond fetching files. */
  wasWorkedOn({ leasedAt, progress }: Pick<Job, "leasedAt" | "progress">, now: number): boolean {
    const { step } = progress === null ? { step: 0 } : (JSON.parse(progress) as JobProgress)
    return step > 0 || now - (leasedAt ?? now) >= SHARE_WORKED * this.#patienceMs()
  }

  /** `job` as it is queued again. */
  note({ job, runnerId, reason }: Declining, now: number): void {
    this.#sql.exec(
      `INSERT INTO declined (job_id, runner_id, run_id, reason, attempts, asked, first_at, asked_again_at) VALUES (?, ?, ?, ?, ?, 1, ?, ?)
       ON CONFLICT DO UPDATE SET reason = excluded.reason, attempts = excluded.attempts, asked_again_at = excluded.asked_again_at,
              asked = CASE WHEN declined.attempts = excluded.attempts THEN declined.asked + 1 ELSE 1 END,
              first_at = CASE WHEN declined.attempts = excluded.attempts THEN declined.first_at ELSE excluded.first_at END`,
      ...[job.id, runnerId, job.runId, reason, job.attempts, now, now + this.#intervalMs],
    )
  }

  /** Jobs that this runner is not to be given now. */
  by(runnerId: string, now: number): string[] {
    return this.#sql
      .exec<{ id: string }>(
        `SELECT jobs.id FROM ${COUNTING} WHERE declined.runner_id = ? AND asked_again_at > ?`,
        ...[runnerId, now],
      )
      .toArray()
      .map(({ id }) => id)
  }

  /** What is known of a queued job; undefined where no runner has given it back. */
  of(jobId: string): Refusals | undefined {
    const row = this.#waiting("jobs.id = ?", jobId)[0]
    return row === undefined
      ? undefined
      : {
          reasons: this.#reasons(jobId),
          endsAt: row.first_at + this.#patienceMs(),
          mayBeDone: row.may_be_done === 1,
        }
  }

  /**
   * Jobs that none could do in the time that there is, and that nobody at work may do, with the reasons. Those that somebody may do are left
   * the time to be asked of that one when it has done its job: between two jobs a runner is not at work.
   */
  over(now: number): readonly { readonly jobId: string; readonly reason: string }[] {
    const patienceMs = this.#patienceMs()
    // Some time before the end, and in large steps, so that it is written seldom.
    const ending = this.#waiting("first_at <= ?", now + this.#intervalMs / 2 - patienceMs)
    for (const { job_id: jobId } of ending.filter((row) => row.may_be_done === 1))
      this.#sql.exec(
        "UPDATE declined SET first_at = max(first_at, ?) WHERE job_id = ?",
        ...[now + this.#intervalMs - patienceMs, jobId],
      )
    return ending
      .filter((row) => row.first_at + patienceMs <= now && row.may_be_done === 0)
      .map(({ job_id: jobId }) => ({
        jobId,
        reason: `no runner that asked within ${inWords(patienceMs)} can do it: ${this.#reasons(jobId)}`,
      }))
  }

  /** When a runner is to be asked again, or the time of a job ends. */
  nextEventAt(now: number): number | undefined {
    const row = this.#sql
      .exec<{ at: number | null }>(
        `SELECT min(at) AS at FROM (SELECT asked_again_at AS at FROM ${COUNTING} UNION ALL SELECT first_at + ?1 FROM ${COUNTING})
          WHERE at > ?2`,
        ...[this.#patienceMs(), now],
      )
      .one()
    return row.at ?? undefined
  }

  /**
   * What was said of jobs that this run waited for, and that came to nothing, counts for the job that it posts in their place: of the same model
   * at the same precision, since it waits for them. Else runs that wait for each other would fail one after the other, each after all the time.
   */
  passOn({ runId, name }: Follower): void {
    const isWorkedOn = this.#sql
      .exec(
        `SELECT 1 FROM followers JOIN jobs ON jobs.id = followers.job_id
          WHERE followers.run_id = ? AND followers.name = ? AND jobs.attempts > 0 LIMIT 1`,
        ...[runId, name],
      )
      .toArray()
    if (isWorkedOn.length > 0) {
      this.#sql.exec("DELETE FROM declined WHERE job_id = ?", runId)
      return
    }
    this.#sql.exec(
      `INSERT INTO declined (job_id, runner_id, run_id, reason, attempts, asked, first_at, asked_again_at)
       SELECT ?1, given.runner_id, ?1, given.reason, 0, min(given.asked, ${TIMES_ASKED - 1}), min(max(given.first_at, since)), 0
         FROM followers JOIN jobs ON jobs.id = followers.job_id AND jobs.status = 'failed'
                        JOIN declined given ON given.job_id = jobs.id AND given.attempts = jobs.attempts
        WHERE followers.run_id = ?1 AND followers.name = ?2 GROUP BY given.runner_id
       ON CONFLICT DO UPDATE SET reason = excluded.reason, asked = excluded.asked, first_at = min(declined.first_at, excluded.first_at)`,
      ...[runId, name],
    )
  }

  /** The run posts that job: whoever asks is given it once at least, since its pairs are others. */
  takeOver({ id, runId }: Pick<Job, "id" | "runId">, now: number): void {
    this.#sql.exec(
      "UPDATE declined SET job_id = ?, first_at = max(first_at, ?) WHERE job_id = ?",
      ...[id, now + this.#intervalMs - this.#patienceMs(), runId],
    )
  }

  forget(runId: string): void {
    this.#sql.exec("DELETE FROM declined WHERE run_id = ?", runId)
  }

  #waiting(condition: string, ...bindings: SqlStorageValue[]): RefusalColumns[] {
    return this.#sql
      .exec<RefusalColumns>(
        `SELECT jobs.id AS job_id, min(first_at) AS first_at, ${MAY_DO} AS may_be_done
           FROM ${COUNTING} WHERE ${condition} GROUP BY jobs.id`,
        ...bindings,
      )
      .toArray()
  }

  #reasons(jobId: string): string {
    const rows = this.#sql
      .exec<{ runner: string; reason: string }>(
        `SELECT declined.runner_id AS runner, reason FROM ${COUNTING} WHERE jobs.id = ? ORDER BY first_at, declined.runner_id`,
        jobId,
      )
      .toArray()
    const told = rows.slice(0, RUNNERS_TOLD).map(({ runner, reason }) => `runner "${runner}": ${reason}`)
    const more = rows.length > RUNNERS_TOLD ? [`and ${rows.length - RUNNERS_TOLD} more`] : []
    return [...told, ...more].join("; ")
  }
}
