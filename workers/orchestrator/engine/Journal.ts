// The journal of one execution in its object's SQLite: what was asked, which activities finished with what, which deferreds
// are done, which clocks run. Every method is synchronous, so what one event writes between two awaits is one transaction.
import { type Exit, Schema } from "effect"

/** Longest stored result, characters of JSON. A row of the platform holds 2 MB, which the local one does not enforce. */
export const MAX_RESULT_CHARACTERS = 1_500_000

/** A result that the journal cannot hold. Trying again cannot help. */
export class ResultTooLarge extends Error {
  readonly _tag = "ResultTooLarge"
  constructor(what: string, characters: number) {
    super(
      `${what} is ${characters} characters of JSON and the journal holds ${MAX_RESULT_CHARACTERS}; put the data into a blob and return its digest`,
    )
  }
}

/** An exit whose success and typed errors are JSON already. */
const StoredExit = Schema.toCodecJson(Schema.Exit(Schema.Unknown, Schema.Unknown, Schema.Defect()))
const encodeExit = Schema.encodeSync(StoredExit)
const decodeExit = Schema.decodeUnknownSync(StoredExit)

export const exitToText = (exit: Exit.Exit<unknown, unknown>, what: string): string => {
  const text = JSON.stringify(encodeExit(exit), (_, value) => value ?? null)
  if (text.length > MAX_RESULT_CHARACTERS) throw new ResultTooLarge(what, text.length)
  return text
}

const exitFromText = (text: string): Exit.Exit<unknown, unknown> => decodeExit(JSON.parse(text))

export interface ExecutionRow {
  readonly id: string
  readonly workflow: string
  /** JSON. */
  readonly payload: string
  readonly status: "running" | "complete"
  /** JSON of the final exit. */
  readonly result: string | null
  /** Runs since the last progress, the current one included. Counted before a run begins: a crash counts too. */
  readonly attempts: number
  readonly lastError: string | null
  /** Not before this time, milliseconds: back-off after a defect. */
  readonly retryAt: number
  /** Whether the outcome was told to the read model. */
  readonly isReported: boolean
  /** Something happened that a run has not seen yet. */
  readonly again: boolean
}

interface ExecutionColumns extends Record<string, SqlStorageValue> {
  id: string
  workflow: string
  payload: string
  status: string
  result: string | null
  attempts: number
  last_error: string | null
  retry_at: number
  reported: number
  again: number
}

export interface ActivityRow extends Record<string, SqlStorageValue> {
  name: string
  attempt: number
  /** How often its body began. */
  starts: number
  exit: string | null
}

const TABLES = `
CREATE TABLE IF NOT EXISTS execution (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id TEXT NOT NULL, workflow TEXT NOT NULL, payload TEXT NOT NULL,
  status TEXT NOT NULL, result TEXT,
  attempts INTEGER NOT NULL, last_error TEXT, retry_at INTEGER NOT NULL,
  reported INTEGER NOT NULL, again INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS activities (
  name TEXT NOT NULL, attempt INTEGER NOT NULL, starts INTEGER NOT NULL, exit TEXT,
  started_at INTEGER NOT NULL, finished_at INTEGER,
  PRIMARY KEY (name, attempt)
);
CREATE TABLE IF NOT EXISTS deferreds (name TEXT PRIMARY KEY, exit TEXT NOT NULL, done_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS clocks (name TEXT PRIMARY KEY, due_at INTEGER NOT NULL, is_due INTEGER NOT NULL);
`

export class Journal {
  readonly #sql: SqlStorage
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(TABLES)
  }

  /** False where all was deleted. */
  isThere(): boolean {
    return this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'execution'").toArray().length > 0
  }

  execution(): ExecutionRow | undefined {
    const row = this.#sql.exec<ExecutionColumns>("SELECT * FROM execution").toArray()[0]
    if (row === undefined) return undefined
    const { id, workflow, payload, result, attempts } = row
    return {
      ...{ id, workflow, payload, result, attempts },
      status: row.status as ExecutionRow["status"],
      lastError: row.last_error,
      retryAt: row.retry_at,
      isReported: row.reported === 1,
      again: row.again === 1,
    }
  }

  /** True when the execution is new; the first payload stays. */
  begin(id: string, workflow: string, payload: string): boolean {
    if (payload.length > MAX_RESULT_CHARACTERS) throw new ResultTooLarge(`the payload of ${workflow}`, payload.length)
    const now = Date.now()
    return (
      this.#sql.exec(
        `INSERT INTO execution (one, id, workflow, payload, status, attempts, retry_at, reported, again, created_at, updated_at)
         VALUES (1, ?, ?, ?, 'running', 0, 0, 0, 1, ?, ?) ON CONFLICT DO NOTHING`,
        ...[id, workflow, payload, now, now],
      ).rowsWritten > 0
    )
  }

  /** A run begins: it sees everything stored so far. */
  beginRun(): void {
    this.#sql.exec("UPDATE execution SET attempts = attempts + 1, again = 0, retry_at = 0, updated_at = ?", Date.now())
  }

  /** The next alarm has to run the workflow, or to report an outcome once more. */
  requestRun(): void {
    this.#sql.exec("UPDATE execution SET again = (status = 'running'), reported = 0")
  }

  /** `attempts`: 1 inside a run, which counts itself; 0 outside. */
  #progressed(attempts: 0 | 1): void {
    this.#sql.exec("UPDATE execution SET attempts = ?, last_error = NULL, updated_at = ?", attempts, Date.now())
  }

  /** The run waits for something outside: all is well. */
  recordSuspension(): void {
    this.#progressed(0)
  }

  recordDefect(message: string, retryAt: number): void {
    this.#sql.exec("UPDATE execution SET last_error = ?, retry_at = ?, updated_at = ?", message, retryAt, Date.now())
  }

  recordResult(result: string): void {
    this.#sql.exec(
      "UPDATE execution SET status = 'complete', result = ?, again = 0, retry_at = 0, updated_at = ?",
      ...[result, Date.now()],
    )
  }

  recordReport(): void {
    this.#sql.exec("UPDATE execution SET reported = 1, retry_at = 0")
  }

  activityExit(name: string, attempt: number): Exit.Exit<unknown, unknown> | undefined {
    const row = this.#sql
      .exec<ActivityRow>("SELECT * FROM activities WHERE name = ? AND attempt = ?", name, attempt)
      .toArray()[0]
    return row?.exit == null ? undefined : exitFromText(row.exit)
  }

  beginActivity(name: string, attempt: number): void {
    this.#sql.exec(
      `INSERT INTO activities (name, attempt, starts, started_at) VALUES (?, ?, 1, ?)
       ON CONFLICT DO UPDATE SET starts = starts + 1`,
      ...[name, attempt, Date.now()],
    )
  }

  /** Throws ResultTooLarge. */
  recordActivity(name: string, attempt: number, exit: Exit.Exit<unknown, unknown>): void {
    const text = exitToText(exit, `the result of activity "${name}"`)
    this.#sql.exec(
      "UPDATE activities SET exit = ?, finished_at = ? WHERE name = ? AND attempt = ?",
      ...[text, Date.now(), name, attempt],
    )
    this.#progressed(1)
  }

  activities(): readonly ActivityRow[] {
    return this.#sql
      .exec<ActivityRow>("SELECT name, attempt, starts, exit FROM activities ORDER BY started_at, rowid")
      .toArray()
  }

  deferredExit(name: string): Exit.Exit<unknown, unknown> | undefined {
    const row = this.#sql.exec<{ exit: string }>("SELECT exit FROM deferreds WHERE name = ?", name).toArray()[0]
    return row === undefined ? undefined : exitFromText(row.exit)
  }

  /** The first completion stays. A run that is under way may have looked already, so another one is requested. */
  recordDeferred(name: string, exit: string): boolean {
    if (exit.length > MAX_RESULT_CHARACTERS) throw new ResultTooLarge(`the deferred "${name}"`, exit.length)
    const isNew =
      this.#sql.exec(
        "INSERT INTO deferreds (name, exit, done_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        ...[name, exit, Date.now()],
      ).rowsWritten > 0
    if (isNew) this.#progressed(0)
    this.requestRun()
    return isNew
  }

  /** `name` is the deferred that the clock completes. */
  addClock(name: string, dueAt: number): void {
    this.#sql.exec("INSERT INTO clocks (name, due_at, is_due) VALUES (?, ?, 0) ON CONFLICT DO NOTHING", name, dueAt)
  }

  /** Completes the deferreds of the clocks that are due. */
  fireClocks(now: number, exit: string): void {
    const due = this.#sql.exec<{ name: string }>("SELECT name FROM clocks WHERE is_due = 0 AND due_at <= ?", now)
    for (const { name } of due.toArray()) {
      this.recordDeferred(name, exit)
      this.#sql.exec("UPDATE clocks SET is_due = 1 WHERE name = ?", name)
    }
  }

  nextClock(): number | undefined {
    const row = this.#sql.exec<{ due: number | null }>("SELECT min(due_at) AS due FROM clocks WHERE is_due = 0").one()
    return row.due ?? undefined
  }
}
