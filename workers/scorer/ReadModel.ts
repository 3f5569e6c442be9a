// The scorer's view of D1: comparisons that wait, the pairs made of them, and counters. What belongs together is written in
// one batch, which D1 runs as one transaction.
import { Context, Effect, Layer, Schema } from "effect"
import type { PromptForm, ReferencePlace } from "#shared/domain/Dataset.ts"
import { Files } from "#shared/domain/Files.ts"
import { COUNT_VOTES } from "#shared/judgement/pair-votes.ts"
import { LIMITS, slices } from "#shared/wire/limits.ts"
import { decodePairTokens, type PairTokenColumns } from "#shared/wire/pair-tokens.ts"
import type { ScoreReport } from "#shared/wire/services.ts"
import { DatasetChanged, PairsUnusable, ReferenceNotRegistered, StorageFailed } from "./errors.ts"
import type { Arrival, NamedPairTokens, Outcome, Reference } from "./Outcome.ts"
import { finish, forgetStatements, settle } from "./settle-outcomes.ts"

export interface Counts extends ScoreReport {
  readonly sessionsOpened: number
}

const attempt = <A>(operation: string, run: () => Promise<A>): Effect.Effect<A, StorageFailed> =>
  Effect.tryPromise({ try: run, catch: (cause) => new StorageFailed({ store: "D1", operation, cause }) })

const marks = (count: number): string => Array.from({ length: count }, () => "?").join(", ")

const selectArrivals = (db: D1Database, ids: readonly string[]) =>
  db
    .prepare(
      `SELECT c.id, c.dataset_id, c.task, c.status, c.payload_digest, c.payload_line,
              o.comparison_id IS NOT NULL AS is_pending
         FROM comparisons c LEFT JOIN outbox o ON o.comparison_id = c.id
        WHERE c.id IN (${marks(ids.length)})`,
    )
    .bind(...ids)

interface ArrivalColumns {
  id: string
  dataset_id: string
  task: string | null
  status: string
  payload_digest: string
  payload_line: number
  is_pending: number
}

const arrivalOf = (row: ArrivalColumns): Arrival => ({
  comparisonId: row.id,
  datasetId: row.dataset_id,
  task: row.task,
  status: row.status,
  payloadDigest: row.payload_digest,
  payloadLine: row.payload_line,
  isPending: row.is_pending === 1,
})

const bump = (db: D1Database, counts: Counts): D1PreparedStatement[] =>
  Object.entries({
    sessions_opened: counts.sessionsOpened,
    responses_computed: counts.computed,
    responses_from_cache: counts.fromCache,
  })
    .filter(([, by]) => by > 0)
    .map(([name, by]) =>
      db
        .prepare(
          "INSERT INTO scorer_counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        )
        .bind(name, by),
    )

const selectReference = (db: D1Database, datasetId: string) =>
  db
    .prepare(
      `SELECT d.max_length, d.created_at, d.prompt_form, d.system_text, d.reference_place, m.files FROM datasets d
         JOIN models m ON m.name = d.reference_model AND m.version = d.reference_version AND m.kind = 'base'
        WHERE d.id = ?`,
    )
    .bind(datasetId)
    .first<{
      max_length: number
      created_at: number
      prompt_form: PromptForm | null
      system_text: string | null
      reference_place: ReferencePlace | null
      files: string
    }>()

const decodeFiles = Schema.decodeUnknownEffect(Schema.fromJsonString(Files))

interface PairColumns extends PairTokenColumns {
  id: string
  status: string
  reason: string | null
  chosen_digest: string
  rejected_digest: string
}

const selectPairs = (db: D1Database, datasetId: string, ids: readonly string[]) =>
  db
    .prepare(
      `SELECT id, status, reason, token_ids, prompt_tokens, chosen_tokens, rejected_tokens, chosen_digest, rejected_digest
         FROM pairs WHERE dataset_id = ? AND id IN (${marks(ids.length)})`,
    )
    .bind(datasetId, ...ids)

const tokensOf = (row: PairColumns): Effect.Effect<NamedPairTokens, PairsUnusable> => {
  const { id, reason, chosen_digest: chosenDigest, rejected_digest: rejectedDigest } = row
  const tokens = decodePairTokens(row)
  if (tokens !== undefined) return Effect.succeed({ ...tokens, chosenDigest, rejectedDigest })
  const detail =
    row.token_ids === null
      ? `pair ${id} was dropped (${reason}); leave it out`
      : `pair ${id} has no token ids that fit its lengths; ingest it again`
  return Effect.fail(new PairsUnusable({ reason: "Invalid", detail }))
}

const loadPairs = Effect.fnUntraced(function* (db: D1Database, datasetId: string, pairIds: readonly string[]) {
  const ids = [...new Set(pairIds)]
  if (ids.length === 0) return []
  const statements = slices(ids, LIMITS.idsPerStatement).map((some) => selectPairs(db, datasetId, some))
  const rows = yield* attempt("read pairs", () => db.batch<PairColumns>(statements))
  const found = rows.flatMap(({ results }) => results)
  const unknown = ids.find((id) => !found.some((row) => row.id === id))
  if (unknown !== undefined)
    return yield* new PairsUnusable({ reason: "NotFound", detail: `dataset "${datasetId}" has no pair ${unknown}` })
  return yield* Effect.forEach(found, tokensOf)
})

export class ReadModel extends Context.Service<
  ReadModel,
  {
    /** Comparisons by id; unknown ids are absent. */
    arrivals(comparisonIds: readonly string[]): Effect.Effect<readonly Arrival[], StorageFailed>
    reference(datasetId: string): Effect.Effect<Reference, StorageFailed | ReferenceNotRegistered>
    pairs(
      datasetId: string,
      pairIds: readonly string[],
    ): Effect.Effect<NamedPairTokens[], StorageFailed | PairsUnusable>
    /** Pairs, comparison states, counters and the outbox, in one transaction; counters alone where the dataset is another by now than was read. */
    commit(
      reference: Reference,
      outcomes: readonly Outcome[],
      counts: Counts,
      now: number,
    ): Effect.Effect<void, StorageFailed | DatasetChanged>
    count(counts: Counts): Effect.Effect<void, StorageFailed>
    /** Forgets outbox rows of comparisons that nobody wants any more. */
    discard(comparisonIds: readonly string[]): Effect.Effect<void, StorageFailed>
    /** Notes in the outbox why these are still there; `attempts` belongs to the gateway, which counts its sends. */
    recordFailure(comparisonIds: readonly string[], reason: string): Effect.Effect<void, StorageFailed>
  }
>()("yohaku/scorer/ReadModel") {
  static readonly layer = (db: D1Database): Layer.Layer<ReadModel> => {
    const write = (operation: string, statements: D1PreparedStatement[]) =>
      statements.length === 0 ? Effect.void : Effect.asVoid(attempt(operation, () => db.batch(statements)))
    return Layer.succeed(ReadModel, {
      arrivals: (ids) =>
        attempt("read comparisons", () =>
          db.batch<ArrivalColumns>(
            slices([...new Set(ids)], LIMITS.idsPerStatement).map((some) => selectArrivals(db, some)),
          ),
        ).pipe(Effect.map((all) => all.flatMap(({ results }) => results.map(arrivalOf)))),
      reference: Effect.fnUntraced(function* (datasetId) {
        const row = yield* attempt("read the dataset's reference model", () => selectReference(db, datasetId))
        if (row === null) return yield* new ReferenceNotRegistered({ datasetId })
        const files = yield* Effect.mapError(decodeFiles(row.files), () => new ReferenceNotRegistered({ datasetId }))
        const [promptForm, systemText] = [row.prompt_form ?? undefined, row.system_text ?? undefined]
        const place = row.reference_place ?? "edge"
        const { max_length: maxLength, created_at: createdAt } = row
        return { datasetId, maxLength, createdAt, promptForm, systemText, place, files }
      }),
      pairs: (datasetId, pairIds) => loadPairs(db, datasetId, pairIds),
      commit: Effect.fnUntraced(function* (
        reference: Reference,
        outcomes: readonly Outcome[],
        counts: Counts,
        now: number,
      ) {
        const statements = [
          ...forgetStatements(db, reference, outcomes),
          ...outcomes.flatMap((outcome) => settle(db, reference, outcome, now)),
          ...COUNT_VOTES.map((sql) => db.prepare(sql)),
          ...bump(db, counts),
          ...finish(db, reference, outcomes, now),
        ]
        const results = yield* attempt("store pairs", () => db.batch(statements))
        if (results.at(-1)!.results.length === 0) return yield* new DatasetChanged({ datasetId: reference.datasetId })
      }),
      count: (counts) => write("count", bump(db, counts)),
      discard: (ids) =>
        write(
          "clear the outbox",
          slices(ids, LIMITS.idsPerStatement).map((some) =>
            db.prepare(`DELETE FROM outbox WHERE comparison_id IN (${marks(some.length)})`).bind(...some),
          ),
        ),
      recordFailure: (ids, reason) =>
        write(
          "note a failure",
          slices(ids, LIMITS.idsPerStatement).map((some) =>
            db
              .prepare(`UPDATE outbox SET last_error = ? WHERE comparison_id IN (${marks(some.length)})`)
              .bind(reason, ...some),
          ),
        ),
    })
  }
}
