// Lines that a job's runner keeps here while it works, in the pool's SQLite: what another runner goes on with when it takes the job up. They are only
// ever added, in order; a line that is sent again is the same line, and stays.
import { LIMITS } from "#shared/wire/limits.ts"

const TABLE = `
CREATE TABLE IF NOT EXISTS kept (
  job_id TEXT NOT NULL, run_id TEXT NOT NULL, at INTEGER NOT NULL,
  total INTEGER NOT NULL,                -- characters up to this line's end
  line TEXT NOT NULL, PRIMARY KEY (job_id, at)
)`

export interface Kept {
  readonly lines: number
  readonly characters: number
}

/** Why lines cannot be added; undefined where they can. */
export const faultOfKept = (kept: Kept, from: number, lines: readonly string[]): string | undefined => {
  if (from > kept.lines) return `the job keeps ${kept.lines} lines and these begin at ${from}; send those between first`
  if (lines.some((line) => line.length > LIMITS.keptLineCharacters))
    return `a line has more than ${LIMITS.keptLineCharacters} characters; keep less in one`
  const characters = lines.slice(kept.lines - from).reduce((sum, line) => sum + line.length, kept.characters)
  return characters > LIMITS.keptCharacters
    ? `the job would keep ${characters} characters, at most ${LIMITS.keptCharacters} are taken; keep less of it`
    : undefined
}

export class KeptLines {
  readonly #sql: SqlStorage
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(TABLE)
  }

  of(jobId: string): Kept {
    const [last] = this.#sql
      .exec<{ at: number; total: number }>(
        "SELECT at, total FROM kept WHERE job_id = ? ORDER BY at DESC LIMIT 1",
        jobId,
      )
      .toArray()
    return last === undefined ? { lines: 0, characters: 0 } : { lines: last.at + 1, characters: last.total }
  }

  /** The first of these lines that is there with other text; undefined where none is. */
  otherLine(jobId: string, from: number, lines: readonly string[]): number | undefined {
    const there = this.#sql
      .exec<{ at: number; line: string }>(
        "SELECT at, line FROM kept WHERE job_id = ? AND at >= ? AND at < ? ORDER BY at",
        ...[jobId, from, from + lines.length],
      )
      .toArray()
    return there.find(({ at, line }) => line !== lines[at - from])?.at
  }

  /** Lines from `from` on, which is no further than those that are there; resolves to how many there are then. */
  add(job: { readonly id: string; readonly runId: string }, from: number, lines: readonly string[]): number {
    const kept = this.of(job.id)
    let { lines: count, characters } = kept
    for (const line of lines.slice(kept.lines - from)) {
      characters += line.length
      this.#sql.exec(
        "INSERT INTO kept (job_id, run_id, at, total, line) VALUES (?, ?, ?, ?, ?)",
        ...[job.id, job.runId, count++, characters, line],
      )
    }
    return count
  }

  /** From line `from` on as many as have so many characters, but one at least where there is one. */
  read(jobId: string, from: number, mostCharacters: number): string[] {
    return this.#sql
      .exec<{ line: string }>(
        `SELECT line FROM kept WHERE job_id = ?1 AND at >= ?2
            AND (at = ?2 OR total <= coalesce((SELECT total FROM kept WHERE job_id = ?1 AND at = ?2 - 1), 0) + ?3)
          ORDER BY at`,
        ...[jobId, from, mostCharacters],
      )
      .toArray()
      .map(({ line }) => line)
  }

  /** Of a job whose result says it all. */
  forgetJob(jobId: string): void {
    this.#sql.exec("DELETE FROM kept WHERE job_id = ?", jobId)
  }

  forget(runId: string): void {
    this.#sql.exec("DELETE FROM kept WHERE run_id = ?", runId)
  }
}
