// What labelling tools delivered and what became of it. Bodies of what was refused or ignored are kept for replays, bounded by their
// number; a delivery without a valid signature is listed among a few of its own, so that nobody can push out the others.
import { Clock, Context, Effect, Layer } from "effect"
import { NotFound } from "#shared/api/problems.ts"
import type { Delivery } from "#shared/api/webhooks.ts"
import { OLDEST_EVENT_SECONDS } from "../connectors/argilla.ts"
import { Environment } from "../Environment.ts"
import { ask, Database } from "./Database.ts"
import { type Cursor, readPage, type StoredPage } from "./paging.ts"

const KEPT = 1_000
const KEPT_UNSIGNED = 100
/** No body is accepted again after that; longer than a signed time may lie ahead. */
const REMEMBERED_MS = (OLDEST_EVENT_SECONDS + 3_600) * 1_000

export interface Note {
  readonly endpointId: string
  readonly digest: string
  readonly status: Delivery["status"]
  readonly reason: string | undefined
  readonly isGenuine: boolean
  /** Kept, where the delivery can be taken again. */
  readonly body: Uint8Array | undefined
}

const INSERT = `
  INSERT INTO deliveries (endpoint_id, digest, status, reason, is_genuine, has_body, received_at) VALUES (?, ?, ?, ?, ?, ?, ?)`

/** One body is kept once: by the newest of its deliveries. */
const PASS_BODY_ON = "UPDATE deliveries SET has_body = 0 WHERE endpoint_id = ? AND digest = ? AND has_body = 1"

/** The newest delivery that is not among those kept. */
const BEYOND = (isGenuine: 0 | 1, kept: number) => `
  (SELECT id FROM deliveries WHERE endpoint_id = ?1 AND is_genuine = ${isGenuine} ORDER BY id DESC LIMIT 1 OFFSET ${kept})`

const DROP_BODIES = `
  UPDATE deliveries SET has_body = 0 WHERE endpoint_id = ?1 AND has_body = 1 AND id <= ${BEYOND(1, KEPT)} RETURNING digest`

const FORGET = `
  DELETE FROM deliveries WHERE endpoint_id = ?1 AND is_genuine = 1 AND received_at < ?2 AND id <= ${BEYOND(1, KEPT)}`

const FORGET_UNSIGNED = `
  DELETE FROM deliveries WHERE endpoint_id = ?1 AND is_genuine = 0 AND id <= ${BEYOND(0, KEPT_UNSIGNED)}`

interface Row {
  readonly id: number
  readonly digest: string
  readonly status: Delivery["status"]
  readonly reason: string | null
  readonly has_body: number
  readonly received_at: number
}

const itemOf = (row: Row): Delivery => ({
  digest: row.digest,
  status: row.status,
  ...(row.reason === null ? {} : { reason: row.reason }),
  canBeReplayed: row.has_body === 1,
  receivedAt: row.received_at,
})

const keyOf = (endpointId: string, digest: string) => `deliveries/${endpointId}/${digest}`

const notKept = new NotFound({
  resource: "webhook delivery",
  detail: "No body of this digest is kept; replay one whose `canBeReplayed` is true.",
})

export class Deliveries extends Context.Service<
  Deliveries,
  {
    /** Lists a delivery. Whether that succeeds changes nothing about the delivery itself. */
    readonly note: (note: Note) => Effect.Effect<void>
    /** Whether this very body was taken before. */
    readonly wasTaken: (endpointId: string, digest: string) => Effect.Effect<boolean>
    /** The newest first. */
    readonly list: (
      endpointId: string,
      status: Delivery["status"] | undefined,
      cursor: Cursor | undefined,
      limit: number,
    ) => Effect.Effect<StoredPage<Delivery>>
    readonly kept: (
      endpointId: string,
      digest: string,
    ) => Effect.Effect<{ readonly body: Uint8Array; readonly receivedAt: number }, NotFound>
  }
>()("yohaku/gateway/Deliveries") {
  static readonly layer = Layer.effect(
    Deliveries,
    Effect.gen(function* () {
      const database = yield* Database
      const { BLOBS } = yield* Environment

      const write = Effect.fnUntraced(function* ({ endpointId, digest, status, reason, isGenuine, body }: Note) {
        const now = yield* Clock.currentTimeMillis
        if (body !== undefined) yield* ask("R2", () => BLOBS.put(keyOf(endpointId, digest), body))
        const row = [endpointId, digest, status, reason ?? null, Number(isGenuine), Number(body !== undefined), now]
        const results = yield* database.batch([
          ...(body === undefined ? [] : [database.prepare(PASS_BODY_ON, endpointId, digest)]),
          database.prepare(INSERT, ...row),
          // Before rows go: whose body is deleted is asked of them.
          database.prepare(DROP_BODIES, endpointId),
          database.prepare(FORGET, endpointId, now - REMEMBERED_MS),
          database.prepare(FORGET_UNSIGNED, endpointId),
        ])
        const dropped = (results.at(-3)?.results ?? []) as { readonly digest: string }[]
        const keys = dropped.map((old) => keyOf(endpointId, old.digest))
        if (keys.length > 0) yield* ask("R2", () => BLOBS.delete(keys))
      })

      const kept = Effect.fnUntraced(function* (endpointId: string, digest: string) {
        const row = yield* database.first<Row>(
          "SELECT * FROM deliveries WHERE endpoint_id = ? AND digest = ? AND has_body = 1",
          ...[endpointId, digest],
        )
        const object = row && (yield* ask("R2", () => BLOBS.get(keyOf(endpointId, digest))))
        if (!object) return yield* notKept
        return { body: new Uint8Array(yield* ask("R2", () => object.arrayBuffer())), receivedAt: row.received_at }
      })

      return Deliveries.of({
        note: (note) =>
          Effect.catchCause(write(note), (cause) => Effect.logError("a delivery could not be listed", cause)),
        wasTaken: (endpointId, digest) =>
          database
            .first(
              "SELECT 1 FROM deliveries WHERE endpoint_id = ? AND digest = ? AND status NOT IN ('refused', 'ignored')",
              ...[endpointId, digest],
            )
            .pipe(Effect.map((row) => row !== undefined)),
        list: (endpointId, status, cursor, limit) =>
          database
            .all<Row>(
              `SELECT * FROM deliveries WHERE endpoint_id = ? AND id < ? AND status = coalesce(?, status)
                ORDER BY id DESC LIMIT ?`,
              ...[endpointId, cursor?.[0] ?? Number.MAX_SAFE_INTEGER, status ?? null, limit + 1],
            )
            .pipe(Effect.map((rows) => readPage(rows, limit, itemOf, ({ id }): Cursor => [id, ""]))),
        kept,
      })
    }),
  )
}
