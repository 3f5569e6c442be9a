// What a round of the blob sweep knows, in the sweeper's SQLite: which blobs runs name, which objects blobs point to, and since when an
// object is found to be referred to by nothing. The first two are of one round, the last is of all.

const TABLES = `
CREATE TABLE IF NOT EXISTS named (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pointed_to (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orphans (key TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;
`

export class Marks {
  readonly #sql: SqlStorage
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(TABLES)
  }

  beginRound(): void {
    this.#sql.exec("DELETE FROM named")
    this.#sql.exec("DELETE FROM pointed_to")
  }

  name(digests: readonly string[]): void {
    this.#sql.exec("INSERT OR IGNORE INTO named SELECT value FROM json_each(?)", JSON.stringify(digests))
  }

  pointTo(keys: readonly string[]): void {
    this.#sql.exec("INSERT OR IGNORE INTO pointed_to SELECT value FROM json_each(?)", JSON.stringify(keys))
  }

  #among(table: "named" | "pointed_to", column: "digest" | "key", values: readonly string[]): ReadonlySet<string> {
    const found = this.#sql.exec<{ value: string }>(
      `SELECT value FROM json_each(?) WHERE value IN (SELECT ${column} FROM ${table})`,
      JSON.stringify(values),
    )
    return new Set(found.toArray().map(({ value }) => value))
  }

  named(digests: readonly string[]): ReadonlySet<string> {
    return this.#among("named", "digest", digests)
  }

  pointedTo(keys: readonly string[]): ReadonlySet<string> {
    return this.#among("pointed_to", "key", keys)
  }

  /** Notes which of these objects nothing refers to. Resolves to those of them that were so at an earlier time already. */
  orphaned(keys: readonly string[], isOrphan: (key: string) => boolean, nowMs: number, before: number): string[] {
    const orphans = JSON.stringify(keys.filter(isOrphan))
    const wanted = JSON.stringify(keys.filter((key) => !isOrphan(key)))
    this.#sql.exec("DELETE FROM orphans WHERE key IN (SELECT value FROM json_each(?))", wanted)
    this.#sql.exec("INSERT OR IGNORE INTO orphans (key, since) SELECT value, ?2 FROM json_each(?1)", orphans, nowMs)
    return this.#sql
      .exec<{ key: string }>(
        "SELECT key FROM orphans WHERE key IN (SELECT value FROM json_each(?)) AND since < ?",
        ...[orphans, before],
      )
      .toArray()
      .map(({ key }) => key)
  }

  /** They are gone. */
  forget(keys: readonly string[]): void {
    this.#sql.exec("DELETE FROM orphans WHERE key IN (SELECT value FROM json_each(?))", JSON.stringify(keys))
  }
}
