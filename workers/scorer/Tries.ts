// What a comparison has cost already: how often work on it began and did not end, because the isolate died or the code threw. A try is
// counted before its work; whatever end it finds takes it back. So one bad comparison is told from those that came with it.
import { Context, Effect, Layer } from "effect"
import { LIMITS, slices } from "#shared/wire/limits.ts"
import { StorageFailed } from "./errors.ts"

/** After so many, a comparison is worked on alone. */
export const TRIES_TOGETHER = 2
/** After so many, it is parked. */
export const MOST_TRIES = 5

/** What a try left behind that could not say how it ended. */
export const BROKE_OFF = "the scorer broke off while it worked on this comparison and those beside it"

interface Tried {
  readonly tries: number
  /** Why the last one ended, where it could still be said. */
  readonly lastError: string | null
}

const marks = (count: number): string => Array.from({ length: count }, () => "?").join(", ")

export class Tries extends Context.Service<
  Tries,
  {
    /** By comparison; one that has no outbox row is absent. */
    of(comparisonIds: readonly string[]): Effect.Effect<ReadonlyMap<string, Tried>, StorageFailed>
    /** Counts a try of each. */
    begin(comparisonIds: readonly string[]): Effect.Effect<void, StorageFailed>
    /** Takes back the tries of those whose failure was none of their own. */
    forgive(comparisonIds: readonly string[]): Effect.Effect<void, StorageFailed>
    /** Takes a comparison out of the outbox, with the reason, until somebody replays it. */
    park(comparisonId: string, reason: string, now: number): Effect.Effect<void, StorageFailed>
  }
>()("yohaku/scorer/Tries") {
  static readonly layer = (db: D1Database): Layer.Layer<Tries> => {
    const ask = <A>(operation: string, run: () => Promise<A>): Effect.Effect<A, StorageFailed> =>
      Effect.tryPromise({ try: run, catch: (cause) => new StorageFailed({ store: "D1", operation, cause }) })
    /** One statement for every ninety ids, in one transaction. */
    const forIds = <Row>(operation: string, sql: string, ids: readonly string[], ...values: readonly string[]) =>
      ids.length === 0
        ? Effect.succeed([])
        : ask(operation, () =>
            db.batch<Row>(
              slices(ids, LIMITS.idsPerStatement).map((some) =>
                db.prepare(`${sql} WHERE comparison_id IN (${marks(some.length)})`).bind(...values, ...some),
              ),
            ),
          )
    return Layer.succeed(Tries, {
      of: (ids) =>
        forIds<{ comparison_id: string; tries: number; last_error: string | null }>(
          "read earlier tries",
          "SELECT comparison_id, tries, last_error FROM outbox",
          ids,
        ).pipe(
          Effect.map((all) => all.flatMap(({ results }) => results)),
          Effect.map(
            (rows) => new Map(rows.map((row) => [row.comparison_id, { tries: row.tries, lastError: row.last_error }])),
          ),
        ),
      begin: (ids) =>
        Effect.asVoid(
          forIds(
            "count a try",
            "UPDATE outbox SET last_error = CASE WHEN tries > 0 THEN coalesce(last_error, ?) END, tries = tries + 1",
            ids,
            BROKE_OFF,
          ),
        ),
      forgive: (ids) => Effect.asVoid(forIds("take back a try", "UPDATE outbox SET tries = 0", ids)),
      park: (id, reason, now) =>
        Effect.asVoid(
          ask("park a comparison", () =>
            db.batch([
              db
                .prepare(
                  `UPDATE comparisons SET status = 'parked', reason = ?, processed_at = ?
                    WHERE id = ? AND status = 'received'`,
                )
                .bind(reason, now, id),
              db.prepare("DELETE FROM outbox WHERE comparison_id = ?").bind(id),
            ]),
          ),
        ),
    })
  }
}
