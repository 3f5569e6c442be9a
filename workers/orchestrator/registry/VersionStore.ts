// A model's versions and channels in SQLite. A version is immutable and found again by its digest; a channel is a stack of
// versions, so that rolling back pops; the history keeps every move. Synchronous: a check and its write cannot be parted.
import type { Channel, ChannelPointer, ModelVersion } from "#shared/domain/Model.ts"
import type { NewVersion } from "../Environment.ts"

interface VersionColumns extends Record<string, SqlStorageValue> {
  version: number
  name: string
  kind: string
  digest: string
  files: string
  base: string | null
  run_id: string | null
  metrics: string
  created_at: number
  source: string | null
}

interface StackColumns extends Record<string, SqlStorageValue> {
  channel: string
  position: number
  version: number
}

const TABLES = `
CREATE TABLE IF NOT EXISTS versions (
  version INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL UNIQUE,
  files TEXT NOT NULL, base TEXT, run_id TEXT, metrics TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS channel_stack (
  channel TEXT NOT NULL, position INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (channel, position)
);
CREATE TABLE IF NOT EXISTS moves (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  channel TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL, operation TEXT, moved_at INTEGER NOT NULL,
  UNIQUE (channel, operation)
);
`

const versionOf = (row: VersionColumns): ModelVersion => ({
  name: row.name,
  version: row.version,
  kind: row.kind as ModelVersion["kind"],
  digest: row.digest,
  files: JSON.parse(row.files),
  ...(row.base === null ? {} : { base: JSON.parse(row.base) }),
  ...(row.source === null ? {} : { source: JSON.parse(row.source) }),
  ...(row.run_id === null ? {} : { runId: row.run_id }),
  metrics: JSON.parse(row.metrics),
  createdAt: row.created_at,
})

export class VersionStore {
  readonly #sql: SqlStorage
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(TABLES)
    // Of a registry that was made before models had sources.
    const hasSource = sql.exec("SELECT 1 FROM pragma_table_info('versions') WHERE name = 'source'").toArray().length > 0
    if (!hasSource) sql.exec("ALTER TABLE versions ADD COLUMN source TEXT")
  }

  #select(condition: string, ...bindings: SqlStorageValue[]): ModelVersion | undefined {
    return this.#sql
      .exec<VersionColumns>(`SELECT * FROM versions WHERE ${condition} LIMIT 1`, ...bindings)
      .toArray()
      .map(versionOf)[0]
  }

  byDigest(digest: string): ModelVersion | undefined {
    return this.#select("digest = ?", digest)
  }

  version(version: number): ModelVersion | undefined {
    return this.#select("version = ?", version)
  }

  newest(): ModelVersion | undefined {
    return this.#select("true ORDER BY version DESC")
  }

  versions(): ModelVersion[] {
    return this.#sql.exec<VersionColumns>("SELECT * FROM versions ORDER BY version").toArray().map(versionOf)
  }

  /** Adds the next version. */
  add(version: NewVersion, digest: string): ModelVersion {
    this.#sql.exec(
      `INSERT INTO versions (version, name, kind, digest, files, base, run_id, metrics, created_at, source)
       SELECT coalesce(max(version), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM versions`,
      ...[version.name, version.kind, digest, JSON.stringify(version.files)],
      ...[version.base === undefined ? null : JSON.stringify(version.base), version.runId ?? null],
      ...[JSON.stringify(version.metrics), Date.now()],
      version.source === undefined ? null : JSON.stringify(version.source),
    )
    return this.byDigest(digest)!
  }

  /** The channel's pointer; `previousVersion` is where a rollback would go. */
  pointer(name: string, channel: Channel): ChannelPointer | undefined {
    const [top, below] = this.#sql
      .exec<StackColumns>("SELECT * FROM channel_stack WHERE channel = ? ORDER BY position DESC LIMIT 2", channel)
      .toArray()
    if (top === undefined) return undefined
    const { version } = top
    return {
      ...{ name, channel, version, movedAt: this.#movedAt(channel) },
      ...(below === undefined ? {} : { previousVersion: below.version }),
    }
  }

  #movedAt(channel: Channel): number {
    return this.#sql.exec<{ at: number }>("SELECT max(moved_at) AS at FROM moves WHERE channel = ?", channel).one().at
  }

  hasMoved(channel: Channel, operation: string): boolean {
    return (
      this.#sql.exec("SELECT 1 FROM moves WHERE channel = ? AND operation = ?", channel, operation).toArray().length > 0
    )
  }

  push(channel: Channel, version: number, operation: string | undefined): void {
    this.#sql.exec(
      "INSERT INTO channel_stack (channel, position, version) SELECT ?1, coalesce(max(position), 0) + 1, ?2 FROM channel_stack WHERE channel = ?1",
      ...[channel, version],
    )
    this.#note(channel, "move", version, operation)
  }

  /** Takes the top off; the caller has seen that something lies below. */
  pop(channel: Channel, version: number, operation: string | undefined): void {
    this.#sql.exec(
      "DELETE FROM channel_stack WHERE channel = ?1 AND position = (SELECT max(position) FROM channel_stack WHERE channel = ?1)",
      channel,
    )
    this.#note(channel, "rollback", version, operation)
  }

  /** An operation that found the channel where it wanted it counts as done. */
  note(channel: Channel, version: number, operation: string): void {
    this.#note(channel, "kept", version, operation)
  }

  /** Times of a channel's moves rise strictly: the projection keeps the newest. */
  #note(channel: Channel, kind: string, version: number, operation: string | undefined): void {
    this.#sql.exec(
      `INSERT INTO moves (channel, kind, version, operation, moved_at)
       SELECT ?1, ?2, ?3, ?4, max(?5, coalesce((SELECT max(moved_at) + 1 FROM moves WHERE channel = ?1), 0))`,
      ...[channel, kind, version, operation ?? null, Date.now()],
    )
  }
}
