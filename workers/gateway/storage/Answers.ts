// Answers of requests that carried an Idempotency-Key. Each is written in the same transaction as what the request did, so
// that there is no moment in which one exists without the other; a repeated request gets the first answer byte for byte.
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import type { IdempotentRequest } from "#shared/api/middleware.ts"
import { IdempotencyKeyReused } from "#shared/api/problems.ts"
import { type AlreadyExists, Database } from "./Database.ts"
import { Vault } from "./Vault.ts"

type Identity = IdempotentRequest["Service"]

interface Answer {
  readonly status: number
  readonly body: string
  /** The body shows a secret: it is stored sealed. */
  readonly isSecret?: boolean
  /** Where what was made is found: the header of that name. */
  readonly location?: string | null
}

/** How long an answer is remembered; the same request under the same key is a new one after that. */
const REMEMBERED_MS = 7 * 24 * 3_600_000
const FORGOTTEN_AT_ONCE = 5000

/** Forgets the oldest answers that are past their time. Runs of a trigger are remembered elsewhere, for ever. */
export const forgetOldAnswers = async (db: D1Database, nowMs: number): Promise<void> => {
  await db
    .prepare(
      "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE created_at < ? ORDER BY created_at LIMIT ?)",
    )
    .bind(nowMs - REMEMBERED_MS, FORGOTTEN_AT_ONCE)
    .run()
}

const SEALED = "sealed:"
const PURPOSE = "idempotency"

const reused = () =>
  new IdempotencyKeyReused({
    detail:
      "Send this request under a new Idempotency-Key, or repeat the first request exactly to get its answer again.",
  })

const responseOf = ({ status, body, location }: Answer) =>
  HttpServerResponse.text(body, {
    ...{ status, contentType: "application/json" },
    ...(location == null ? {} : { headers: { location } }),
  })

const DATASETS = "/v1/datasets"

/** The dataset that an answer is about: it is forgotten with it. */
function datasetOf(path: string, { body }: Answer): string | null {
  if (path === DATASETS) return (JSON.parse(body) as { readonly id: string }).id
  return path.startsWith(`${DATASETS}/`) ? decodeURIComponent(path.slice(DATASETS.length + 1).split("/")[0]!) : null
}

/** The stored text of a success: encoded by the endpoint's own schema. */
export const encodeAnswer = <A, I>(schema: Schema.Codec<A, I>, value: A): string =>
  JSON.stringify(Schema.encodeSync(schema)(value))

export class Answers extends Context.Service<
  Answers,
  {
    /** The stored answer of this key, if there is one. */
    readonly replay: (
      identity: Identity,
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse | undefined, IdempotencyKeyReused>
    /** Writes `statements` and the answer together. Of two requests with one key the loser writes nothing and gets the winner's answer. */
    readonly commit: (
      identity: Identity,
      statements: readonly D1PreparedStatement[],
      answer: Answer,
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, IdempotencyKeyReused | AlreadyExists>
  }
>()("yohaku/gateway/Answers") {
  static readonly layer = Layer.effect(
    Answers,
    Effect.gen(function* () {
      const database = yield* Database
      const vault = yield* Vault

      const replay = Effect.fnUntraced(function* ({ key, keyId, fingerprint }: Identity) {
        if (key === undefined) return undefined
        const stored = yield* database.first<Answer & { fingerprint: string }>(
          "SELECT fingerprint, status, body, location FROM idempotency WHERE key_id = ? AND idempotency_key = ?",
          keyId,
          key,
        )
        if (stored === undefined) return undefined
        if (stored.fingerprint !== fingerprint) return yield* reused()
        const { body } = stored
        if (!body.startsWith(SEALED)) return responseOf(stored)
        return responseOf({ ...stored, body: yield* vault.open(body.slice(SEALED.length), PURPOSE) })
      })

      const statement = Effect.fnUntraced(function* (key: string, identity: Identity, answer: Answer) {
        const body = answer.isSecret ? `${SEALED}${yield* vault.seal(answer.body, PURPOSE)}` : answer.body
        return database.prepare(
          "INSERT INTO idempotency (key_id, idempotency_key, fingerprint, status, body, location, created_at, dataset_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          ...[identity.keyId, key, identity.fingerprint, answer.status, body, answer.location ?? null],
          ...[yield* Clock.currentTimeMillis, datasetOf(identity.path, answer)],
        )
      })

      const commit = Effect.fnUntraced(function* (
        identity: Identity,
        statements: readonly D1PreparedStatement[],
        answer: Answer,
      ) {
        const remembered = identity.key === undefined ? [] : [yield* statement(identity.key, identity, answer)]
        const all = [...remembered, ...statements]
        if (all.length === 0) return responseOf(answer)
        return yield* database.batch(all).pipe(
          Effect.as(responseOf(answer)),
          Effect.catchTag("AlreadyExists", (error) =>
            Effect.flatMap(replay(identity), (earlier) =>
              earlier === undefined ? Effect.fail(error) : Effect.succeed(earlier),
            ),
          ),
        )
      })
      return Answers.of({ replay, commit })
    }),
  )
}
