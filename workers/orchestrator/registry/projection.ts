// Writes a registry's state into the read model. Repeatable, and safe in any order: versions never change, and a channel only
// takes a later move than it has.
import type { ChannelPointer, ModelVersion } from "#shared/domain/Model.ts"

const insertVersion = (db: D1Database, version: ModelVersion): D1PreparedStatement =>
  db
    .prepare(
      `INSERT INTO models (name, version, kind, digest, files, base_name, base_version, run_id, metrics, created_at, source)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    )
    .bind(
      ...[version.name, version.version, version.kind, version.digest, JSON.stringify(version.files)],
      ...[version.base?.name ?? null, version.base?.version ?? null, version.runId ?? null],
      ...[JSON.stringify(version.metrics), version.createdAt],
      version.source === undefined ? null : JSON.stringify(version.source),
    )

const upsertChannel = (db: D1Database, pointer: ChannelPointer): D1PreparedStatement =>
  db
    .prepare(
      `INSERT INTO channels (name, channel, version, previous_version, moved_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (name, channel) DO UPDATE
          SET version = excluded.version, previous_version = excluded.previous_version, moved_at = excluded.moved_at
        WHERE excluded.moved_at >= channels.moved_at`,
    )
    .bind(pointer.name, pointer.channel, pointer.version, pointer.previousVersion ?? null, pointer.movedAt)

/** All versions and channels of one name, in one transaction. */
export const project = async (
  db: D1Database,
  versions: readonly ModelVersion[],
  channels: readonly ChannelPointer[],
): Promise<void> => {
  const statements = [
    ...versions.map((version) => insertVersion(db, version)),
    ...channels.map((pointer) => upsertChannel(db, pointer)),
  ]
  if (statements.length > 0) await db.batch(statements)
}
