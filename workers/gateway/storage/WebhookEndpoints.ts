// Webhook endpoints and their secrets. Secrets are needed to check signatures, so they are sealed, not hashed; two are live
// at a time, so that a secret can be changed without losing a delivery.
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { Base64 } from "effect/encoding"
import { NotFound } from "#shared/api/problems.ts"
import { type WebhookEndpoint, WebhookMapping, type WebhookSource } from "#shared/domain/WebhookEndpoint.ts"
import { Database } from "./Database.ts"
import { randomHex, Vault } from "./Vault.ts"

const LIVE_SECRETS = 2
const ENDPOINT_ID_BYTES = 16
const SECRET_BYTES = 32

interface Row {
  readonly id: string
  readonly dataset_id: string
  readonly source: WebhookSource
  readonly secrets: string
  readonly mapping: string
  readonly created_at: number
}

const decodeSecrets = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Schema.String)))
const decodeMapping = Schema.decodeUnknownSync(Schema.fromJsonString(WebhookMapping))

const endpointOf = (row: Row): WebhookEndpoint => ({
  id: row.id,
  datasetId: row.dataset_id,
  source: row.source,
  mapping: decodeMapping(row.mapping),
  createdAt: row.created_at,
})

/** A new secret in the form of Standard Webhooks. */
export const makeSecret = (): string => `whsec_${Base64.encode(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)))}`

export const endpointNotFound = new NotFound({
  resource: "webhook endpoint",
  detail: "There is no such webhook endpoint; compare the address with the one shown when it was created.",
})

export interface NewEndpoint {
  readonly datasetId: string
  readonly source: WebhookSource
  readonly mapping: WebhookMapping
  readonly secret: string
}

interface Write {
  readonly endpoint: WebhookEndpoint
  readonly statement: D1PreparedStatement
}

interface Rotation {
  readonly endpoint: WebhookEndpoint
  readonly statements: readonly D1PreparedStatement[]
}

/** Violates the table's own key, so that nothing of its transaction happens, where the secrets are not those that were read. */
const UNLESS_CHANGED = "INSERT INTO webhook_endpoints SELECT * FROM webhook_endpoints WHERE id = ? AND secrets <> ?"

export class WebhookEndpoints extends Context.Service<
  WebhookEndpoints,
  {
    readonly make: (input: NewEndpoint) => Effect.Effect<Write>
    /** Adds a secret; the newest two stay live. Of rotations at once, all but one fail with `AlreadyExists` when they are written. */
    readonly rotate: (datasetId: string, id: string, secret: string) => Effect.Effect<Rotation, NotFound>
    readonly get: (id: string) => Effect.Effect<WebhookEndpoint, NotFound>
    /** It takes nothing any more; what came through it stays, the bodies of deliveries do not. False when there is none. */
    readonly remove: (datasetId: string, id: string) => Effect.Effect<boolean>
    readonly changeMapping: (id: string, mapping: WebhookMapping) => Effect.Effect<WebhookEndpoint, NotFound>
    readonly list: (datasetId: string) => Effect.Effect<readonly WebhookEndpoint[]>
    readonly open: (
      source: WebhookSource,
      id: string,
    ) => Effect.Effect<{ readonly endpoint: WebhookEndpoint; readonly secrets: readonly string[] }, NotFound>
  }
>()("yohaku/gateway/WebhookEndpoints") {
  static readonly layer = Layer.effect(
    WebhookEndpoints,
    Effect.gen(function* () {
      const database = yield* Database
      const vault = yield* Vault

      const make = Effect.fnUntraced(function* ({ datasetId, source, mapping, secret }: NewEndpoint) {
        const endpoint = {
          id: randomHex(ENDPOINT_ID_BYTES),
          datasetId,
          source,
          mapping,
          createdAt: yield* Clock.currentTimeMillis,
        }
        const secrets = JSON.stringify([yield* vault.seal(secret, endpoint.id)])
        const statement = database.prepare(
          "INSERT INTO webhook_endpoints (id, dataset_id, source, secrets, mapping, created_at) VALUES (?, ?, ?, ?, ?, ?)",
          ...[endpoint.id, datasetId, source, secrets, JSON.stringify(mapping), endpoint.createdAt],
        )
        return { endpoint, statement }
      })

      const rotate = Effect.fnUntraced(function* (datasetId: string, id: string, secret: string) {
        const row = yield* database.first<Row>(
          "SELECT * FROM webhook_endpoints WHERE id = ? AND dataset_id = ? AND deleted_at IS NULL",
          id,
          datasetId,
        )
        if (row === undefined) return yield* endpointNotFound
        const secrets = [yield* vault.seal(secret, id), ...decodeSecrets(row.secrets)].slice(0, LIVE_SECRETS)
        const statements = [
          database.prepare(UNLESS_CHANGED, id, row.secrets),
          database.prepare("UPDATE webhook_endpoints SET secrets = ? WHERE id = ?", JSON.stringify(secrets), id),
        ]
        return { endpoint: endpointOf(row), statements }
      })

      const get = Effect.fnUntraced(function* (id: string) {
        const row = yield* database.first<Row>(
          "SELECT * FROM webhook_endpoints WHERE id = ? AND deleted_at IS NULL",
          id,
        )
        return row === undefined ? yield* endpointNotFound : endpointOf(row)
      })

      const changeMapping = Effect.fnUntraced(function* (id: string, mapping: WebhookMapping) {
        const row = yield* database.first<Row>(
          "UPDATE webhook_endpoints SET mapping = ? WHERE id = ? AND deleted_at IS NULL RETURNING *",
          JSON.stringify(mapping),
          id,
        )
        return row === undefined ? yield* endpointNotFound : endpointOf(row)
      })

      const open = Effect.fnUntraced(function* (source: WebhookSource, id: string) {
        const row = yield* database.first<Row>(
          "SELECT * FROM webhook_endpoints WHERE id = ? AND source = ? AND deleted_at IS NULL",
          id,
          source,
        )
        if (row === undefined) return yield* endpointNotFound
        const secrets = yield* Effect.forEach(decodeSecrets(row.secrets), (sealed) => vault.open(sealed, id))
        return { endpoint: endpointOf(row), secrets }
      })

      const list = (datasetId: string) =>
        database
          .all<Row>(
            "SELECT * FROM webhook_endpoints WHERE dataset_id = ? AND deleted_at IS NULL ORDER BY created_at, id",
            datasetId,
          )
          .pipe(Effect.map((rows) => rows.map(endpointOf)))

      const remove = Effect.fnUntraced(function* (datasetId: string, id: string) {
        const removed = yield* database.first(
          "UPDATE webhook_endpoints SET deleted_at = coalesce(deleted_at, ?), secrets = '[]' WHERE id = ? AND dataset_id = ? RETURNING id",
          ...[yield* Clock.currentTimeMillis, id, datasetId],
        )
        return removed !== undefined
      })
      return WebhookEndpoints.of({ make, rotate, open, list, get, remove, changeMapping })
    }),
  )
}
