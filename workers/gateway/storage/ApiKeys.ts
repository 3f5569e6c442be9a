// API keys. Only HMAC-SHA-256(pepper, secret) is stored; the key itself is shown when it is made and never again.
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { type ApiKey, type ListedApiKey, Scope } from "#shared/domain/ApiKey.ts"
import { Environment } from "../Environment.ts"
import { Database } from "./Database.ts"
import { type Cursor, readPage, type StoredPage } from "./paging.ts"
import { isEqual, randomHex, Vault } from "./Vault.ts"

const KEY_ID_BYTES = 8
const SECRET_BYTES = 32
const SHAPE = /^yhk_([a-z0-9]+)_([0-9a-f]{16})_([0-9a-f]{64})$/

const decodeScopes = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Scope)))

interface Row {
  readonly key_id: string
  readonly secret_hash: string
  readonly scopes: string
  readonly label: string
  readonly created_at: number
  readonly expires_at: number | null
  readonly revoked_at: number | null
}

export interface NewKey {
  readonly label: string
  readonly scopes: readonly Scope[]
  readonly expiresAt?: number
}

const listedKey = (row: Row): ListedApiKey => ({
  ...{ id: row.key_id, label: row.label, scopes: decodeScopes(row.scopes), createdAt: row.created_at },
  ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
  ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
})

export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    readonly find: (
      token: string,
      nowMs: number,
    ) => Effect.Effect<{ readonly keyId: string; readonly scopes: readonly Scope[] } | undefined>
    /** A new key and the statement that stores it. */
    readonly make: (
      input: NewKey,
    ) => Effect.Effect<{ readonly made: ApiKey & { readonly key: string }; readonly statement: D1PreparedStatement }>
    /** In the order in which they were made; revoked and expired ones too. */
    readonly list: (cursor: Cursor | undefined, limit: number) => Effect.Effect<StoredPage<ListedApiKey>>
    /** False when there is no such key. Revoking twice is revoking once. */
    readonly revoke: (id: string) => Effect.Effect<boolean>
  }
>()("yohaku/gateway/ApiKeys") {
  static readonly layer = Layer.effect(
    ApiKeys,
    Effect.gen(function* () {
      const database = yield* Database
      const vault = yield* Vault
      const { YOHAKU_ENVIRONMENT: environment = "local" } = yield* Environment

      const find = Effect.fnUntraced(function* (token: string, nowMs: number) {
        const [, madeFor, keyId, secret] = SHAPE.exec(token) ?? []
        if (keyId === undefined || secret === undefined || madeFor !== environment) return undefined
        const row = yield* database.first<Row>("SELECT * FROM api_keys WHERE key_id = ?", keyId)
        const hash = yield* vault.hash(secret)
        const isRight = yield* Effect.promise(() => isEqual(hash, row?.secret_hash ?? ""))
        if (row === undefined || !isRight || row.revoked_at !== null) return undefined
        if (row.expires_at !== null && row.expires_at <= nowMs) return undefined
        return { keyId, scopes: decodeScopes(row.scopes) }
      })

      const make = Effect.fnUntraced(function* ({ label, scopes, expiresAt }: NewKey) {
        const id = randomHex(KEY_ID_BYTES)
        const secret = randomHex(SECRET_BYTES)
        const createdAt = yield* Clock.currentTimeMillis
        const statement = database.prepare(
          "INSERT INTO api_keys (key_id, secret_hash, scopes, label, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
          ...[id, yield* vault.hash(secret), JSON.stringify(scopes), label, createdAt, expiresAt ?? null],
        )
        const expiry = expiresAt === undefined ? {} : { expiresAt }
        return {
          made: { id, label, scopes, createdAt, ...expiry, key: `yhk_${environment}_${id}_${secret}` },
          statement,
        }
      })

      const revoke = Effect.fnUntraced(function* (id: string) {
        const revoked = yield* database.first(
          "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE key_id = ? RETURNING key_id",
          yield* Clock.currentTimeMillis,
          id,
        )
        return revoked !== undefined
      })

      const list = (cursor: Cursor | undefined, limit: number) =>
        database
          .all<Row>(
            "SELECT * FROM api_keys WHERE (created_at, key_id) > (?, ?) ORDER BY created_at, key_id LIMIT ?",
            ...(cursor ?? [-1, ""]),
            limit + 1,
          )
          .pipe(Effect.map((rows) => readPage(rows, limit, listedKey, (row) => [row.created_at, row.key_id])))
      return ApiKeys.of({ find, make, list, revoke })
    }),
  )
}
