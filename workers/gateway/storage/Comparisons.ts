// Comparisons on their way in: the payload blob first, then rows, outbox and retractions in one transaction. A later
// judgement of the same thing supersedes the earlier one, whatever order the two arrive in.
import { Clock, Context, Effect, Layer } from "effect"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import type { Comparison, Source } from "#shared/judgement/Comparison.ts"
import { Blobs } from "./Blobs.ts"
import { Database } from "./Database.ts"

export interface Arrival {
  readonly id: string
  readonly comparison: Comparison
}

/** What a transaction will do with comparisons that arrived together. */
export interface Plan {
  readonly statements: readonly D1PreparedStatement[]
  /** In the order of the arrivals. */
  readonly statuses: readonly ("accepted" | "duplicate" | "superseded")[]
}

const INSERT = `
  INSERT INTO comparisons (id, dataset_id, source, external_id, annotator, task, judgement_kind, payload_digest,
                           payload_line, status, labelled_at, received_at)
  SELECT value ->> 'id', ?1, ?2, value ->> 'externalId', value ->> 'annotator', value ->> 'task',
         value ->> 'judgementKind', ?3, key, 'received', value ->> 'labelledAt', ?4
    FROM json_each(?5) ORDER BY key`

/** When something was said: by the labelling tool's clock, else by ours; nothing was said after it arrived; what arrived later wins a draw. */
const SAID_AT = (row: string) =>
  `(min(coalesce(${row}.labelled_at, ${row}.received_at), ${row}.received_at), ${row}.rowid)`

/** What still counts, as the index finds it: versions that were superseded are never looked at again. */
const COUNTING = "'received', 'paired', 'dropped', 'parked'"

const AFFECTED = "dataset_id = ?1 AND source = ?2 AND external_id IN (SELECT value FROM json_each(?3))"

/** What was deleted at its source stays deleted, even when news of it comes late. */
const KEEP_RETRACTED = `
  UPDATE comparisons SET status = 'retracted', reason = 'deleted at its source'
   WHERE ${AFFECTED} AND status = 'received'
     AND EXISTS (SELECT 1 FROM comparisons gone WHERE gone.dataset_id = comparisons.dataset_id
                    AND gone.source = comparisons.source AND gone.external_id = comparisons.external_id
                    AND gone.status = 'retracted')`

const OUTDATED = `${AFFECTED} AND status IN (${COUNTING})
     AND EXISTS (SELECT 1 FROM comparisons later WHERE later.dataset_id = comparisons.dataset_id
                    AND later.source = comparisons.source AND later.external_id = comparisons.external_id
                    AND later.status IN (${COUNTING})
                    AND ${SAID_AT("later")} > ${SAID_AT("comparisons")})`

/** Before SUPERSEDE: of a comparison that is superseded already, no pair is left. */
const RETRACT_OUTDATED_PAIRS = `
  UPDATE pairs SET status = 'retracted', reason = 'the judgement was changed or deleted'
   WHERE status <> 'retracted' AND comparison_id IN (SELECT id FROM comparisons WHERE ${OUTDATED})`

const SUPERSEDE = `
  UPDATE comparisons SET status = 'superseded', reason = 'a later judgement of the same thing' WHERE ${OUTDATED}`

const RETRACT = `UPDATE comparisons SET status = 'retracted', reason = 'deleted at its source' WHERE ${AFFECTED}`

const RETRACT_PAIRS = `
  UPDATE pairs SET status = 'retracted', reason = 'the judgement was changed or deleted'
   WHERE status <> 'retracted' AND comparison_id IN
         (SELECT id FROM comparisons WHERE ${AFFECTED} AND status = 'retracted')`

const ENQUEUE = `
  INSERT OR IGNORE INTO outbox (comparison_id, created_at)
  SELECT id, ?1 FROM comparisons WHERE id IN (SELECT value FROM json_each(?2)) AND status = 'received'`

/** Digest of dataset, source, external id and content. */
export const identify = async (datasetId: string, source: Source, comparison: Comparison): Promise<Arrival> => {
  const { externalId } = comparison
  const content = await sha256Hex(canonicalJson(comparison))
  return { id: await sha256Hex(canonicalJson({ content, dataset: datasetId, externalId, source })), comparison }
}

const saidAt = ({ labelledAt }: Comparison): number | undefined =>
  labelledAt === undefined ? undefined : Date.parse(labelledAt)

const rowOf = ({ id, comparison }: Arrival) => ({
  id,
  externalId: comparison.externalId,
  annotator: comparison.annotator,
  task: comparison.task,
  judgementKind: comparison.judgement.kind,
  labelledAt: saidAt(comparison),
})

/** Each comparison once, without those that are stored already. */
const onlyFresh = (arrivals: readonly Arrival[], known: ReadonlySet<string>): Arrival[] => {
  const seen = new Set(known)
  return arrivals.filter(({ id }) => {
    const isFresh = !seen.has(id)
    seen.add(id)
    return isFresh
  })
}

export class Comparisons extends Context.Service<
  Comparisons,
  {
    /** Stores the payload and plans the transaction. It fails with `AlreadyExists` if one of them came in meanwhile: plan again. */
    readonly plan: (datasetId: string, source: Source, comparisons: readonly Comparison[]) => Effect.Effect<Plan>
    /** What a source says it has deleted. */
    readonly planRetraction: (datasetId: string, source: Source, externalIds: readonly string[]) => Plan
  }
>()("yohaku/gateway/Comparisons") {
  static readonly layer = Layer.effect(
    Comparisons,
    Effect.gen(function* () {
      const database = yield* Database
      const blobs = yield* Blobs

      const known = Effect.fnUntraced(function* (ids: readonly string[]) {
        const rows = yield* database.all<{ id: string }>(
          "SELECT id FROM comparisons WHERE id IN (SELECT value FROM json_each(?))",
          JSON.stringify(ids),
        )
        return new Set(rows.map(({ id }) => id))
      })

      /** When the newest stored judgement of each external id was made; infinitely late where it was deleted. */
      const newest = Effect.fnUntraced(function* (datasetId: string, source: Source, externalIds: string) {
        const rows = yield* database.all<{ external_id: string; said_at: number; is_retracted: number }>(
          `SELECT external_id, max(min(coalesce(labelled_at, received_at), received_at)) AS said_at,
                  max(status = 'retracted') AS is_retracted
             FROM comparisons WHERE ${AFFECTED} AND status IN (${COUNTING}, 'retracted') GROUP BY external_id`,
          ...[datasetId, source, externalIds],
        )
        return new Map(rows.map((row) => [row.external_id, row.is_retracted ? Number.POSITIVE_INFINITY : row.said_at]))
      })

      const plan = Effect.fnUntraced(function* (datasetId: string, source: Source, comparisons: readonly Comparison[]) {
        const now = yield* Clock.currentTimeMillis
        const arrivals = yield* Effect.promise(() =>
          Promise.all(comparisons.map((comparison) => identify(datasetId, source, comparison))),
        )
        const fresh = onlyFresh(arrivals, yield* known(arrivals.map(({ id }) => id)))
        if (fresh.length === 0) return { statements: [], statuses: arrivals.map(() => "duplicate" as const) }
        const lines = fresh.map(({ comparison }) => canonicalJson(comparison)).join("\n")
        const payload = yield* blobs.put(new TextEncoder().encode(lines))
        const externalIds = JSON.stringify([...new Set(fresh.map(({ comparison }) => comparison.externalId))])
        const affected = [datasetId, source, externalIds] as const
        const said = yield* newest(...affected)
        const unseen = new Set(fresh)
        return {
          statements: [
            database.prepare(INSERT, datasetId, source, payload, now, JSON.stringify(fresh.map(rowOf))),
            database.prepare(KEEP_RETRACTED, ...affected),
            database.prepare(RETRACT_OUTDATED_PAIRS, ...affected),
            database.prepare(SUPERSEDE, ...affected),
            database.prepare(ENQUEUE, now, JSON.stringify(fresh.map(({ id }) => id))),
          ],
          statuses: arrivals.map((arrival) => {
            if (!unseen.delete(arrival)) return "duplicate" as const
            const isLate =
              (said.get(arrival.comparison.externalId) ?? 0) > Math.min(saidAt(arrival.comparison) ?? now, now)
            return isLate ? ("superseded" as const) : ("accepted" as const)
          }),
        }
      })

      const planRetraction = (datasetId: string, source: Source, externalIds: readonly string[]): Plan => {
        const affected = [datasetId, source, JSON.stringify(externalIds)] as const
        return {
          statements: [database.prepare(RETRACT, ...affected), database.prepare(RETRACT_PAIRS, ...affected)],
          statuses: [],
        }
      }
      return Comparisons.of({ plan, planRetraction })
    }),
  )
}
