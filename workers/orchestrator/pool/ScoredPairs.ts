// How many of a score job's first pairs are stored, in the pool's SQLite: where its next lease goes on.

const TABLE =
  "CREATE TABLE IF NOT EXISTS scored (job_id TEXT PRIMARY KEY, run_id TEXT NOT NULL, pairs INTEGER NOT NULL)"

export class ScoredPairs {
  readonly #sql: SqlStorage
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(TABLE)
  }

  of(jobId: string): number {
    const rows = this.#sql.exec<{ pairs: number }>("SELECT pairs FROM scored WHERE job_id = ?", jobId).toArray()
    return rows[0]?.pairs ?? 0
  }

  /** At least so many; more stay. */
  note({ id, runId }: { readonly id: string; readonly runId: string }, pairs: number): void {
    this.#sql.exec(
      `INSERT INTO scored (job_id, run_id, pairs) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET pairs = max(pairs, excluded.pairs)`,
      ...[id, runId, pairs],
    )
  }

  forget(runId: string): void {
    this.#sql.exec("DELETE FROM scored WHERE run_id = ?", runId)
  }
}
