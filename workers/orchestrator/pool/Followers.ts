// Runs that wait for jobs of other runs, in the pool's SQLite: each is told once none of them is open any more, however they ended.
const TABLE = `
CREATE TABLE IF NOT EXISTS followers (
  run_id TEXT NOT NULL, name TEXT NOT NULL, job_id TEXT NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (run_id, name, job_id)
)`

export interface Follower {
  readonly runId: string
  /** Of the wait. */
  readonly name: string
}

export class Followers {
  readonly #sql: SqlStorage
  /** After JobStore's tables. */
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(TABLE)
  }

  /** A run that was cancelled waits for nothing. */
  add({ runId, name }: Follower, jobIds: readonly string[], now: number): void {
    this.#sql.exec(
      `INSERT INTO followers (run_id, name, job_id, since) SELECT ?1, ?2, value, ?4 FROM json_each(?3)
        WHERE NOT EXISTS (SELECT 1 FROM cancelled WHERE cancelled.run_id = ?1) ON CONFLICT DO NOTHING`,
      ...[runId, name, JSON.stringify(jobIds), now],
    )
  }

  /** Those that wait for no open job. */
  freed(): Follower[] {
    return this.#sql
      .exec<{ run_id: string; name: string }>(
        `SELECT run_id, name FROM followers GROUP BY run_id, name
         HAVING NOT max(job_id IN (SELECT id FROM jobs WHERE status IN ('queued', 'leased'))) LIMIT 50`,
      )
      .toArray()
      .map(({ run_id: runId, name }) => ({ runId, name }))
  }

  /** Runs whose open jobs this run waits for. */
  followedBy(runId: string): string[] {
    return this.#sql
      .exec<{ run_id: string }>(
        `SELECT DISTINCT jobs.run_id FROM followers JOIN jobs ON jobs.id = followers.job_id
          WHERE followers.run_id = ? AND jobs.status IN ('queued', 'leased') ORDER BY jobs.run_id`,
        runId,
      )
      .toArray()
      .map(({ run_id }) => run_id)
  }

  remove({ runId, name }: Follower): void {
    this.#sql.exec("DELETE FROM followers WHERE run_id = ? AND name = ?", runId, name)
  }

  forget(runId: string): void {
    this.#sql.exec("DELETE FROM followers WHERE run_id = ?", runId)
  }
}
