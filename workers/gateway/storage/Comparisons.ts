// Comparisons on their way in: the payload blob first, then rows, outbox and retractions in one transaction. A later
// judgement of the same thing supersedes the earlier one, whatever order the two arrive in; what has no time was said when it arrived.
import { Clock, Context, Effect, Layer } from "effect"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { SAID_AT } from "#shared/judgement/pair-votes.ts"
import type { Place } from "#shared/judgement/sources/annotation.ts"
import { timeOf } from "#shared/judgement/time-of.ts"
import { holderOf } from "#shared/wire/blob-claims.ts"
import { Blobs } from "./Blobs.ts"
import { Database } from "./Database.ts"
import { adopt, COUNTING, IS_AFTER, type Origin, OUTDONE, settle } from "./settle-comparisons.ts"

export interface Arrival {
  readonly id: string
  /** As it was named before ids had the endpoint in them. */
  readonly idWithout: string
  readonly comparison: Comparison
}

export type Fate = "accepted" | "duplicate" | "superseded" | "retracted"

/** What a transaction will do with comparisons that arrived together. */
export interface Plan {
  readonly statements: readonly D1PreparedStatement[]
  /** In the order of the arrivals. `superseded` and `retracted`: something later was said, or it was taken back after that. */
  readonly statuses: readonly Fate[]
  /** Judgements that another of the same name takes the place of, stored before or arriving too. */
  readonly outdone: number
}

/** A judgement, and where it stands in the tool. */
export interface Said {
  readonly comparison: Comparison
  readonly place?: Place | undefined
}

const INSERT = `
  INSERT INTO comparisons (id, dataset_id, source, external_id, annotator, task, judgement_kind, payload_digest,
                           payload_line, status, reason, labelled_at, received_at, endpoint_id, tool_task, tool_project)
  SELECT value ->> 'id', ?1, ?2, value ->> 'externalId', value ->> 'annotator', value ->> 'task',
         value ->> 'judgementKind', ?4, key, iif(value ->> 'isOutdone', 'superseded', 'received'),
         iif(value ->> 'isOutdone', '${OUTDONE}', NULL), value ->> 'labelledAt', ?5, ?3, value ->> 'toolTask',
         value ->> 'toolProject'
    FROM json_each(?6) ORDER BY key`

/** What counted no more and is said again, as the last of its time: it counts again, and arrived now. */
const SAY_AGAIN = `
  UPDATE comparisons SET status = 'received', reason = NULL, received_at = ?1, processed_at = NULL
   WHERE id IN (SELECT value FROM json_each(?2)) AND status IN ('retracted', 'superseded')`

const ENQUEUE = `
  INSERT OR IGNORE INTO outbox (comparison_id, created_at)
  SELECT id, ?1 FROM comparisons WHERE id IN (SELECT value FROM json_each(?2)) AND status = 'received'`

/** Of each external id: when the newest judgement that counts was said; and whether what arrives now is taken back, or outdone, already. */
const NEWEST = `
  SELECT value ->> 'externalId' AS external_id,
         (SELECT max(${SAID_AT("c")}) FROM comparisons c
           WHERE c.dataset_id = ?1 AND c.source = ?2 AND c.endpoint_id IN (?3, '')
             AND c.external_id = value ->> 'externalId' AND c.status IN (${COUNTING})) AS said_at,
         EXISTS (SELECT 1 FROM retractions r
           WHERE r.dataset_id = ?1 AND r.source = ?2 AND r.endpoint_id IN (?3, '')
             AND (r.scope = 'annotation' AND r.external_id = value ->> 'externalId'
                  OR r.scope = 'task' AND r.external_id = value ->> 'toolTask'
                  OR r.scope = 'project' AND r.external_id = value ->> 'toolProject')
             AND ${IS_AFTER("value ->> 'time'", "?5")}) AS is_retracted,
         EXISTS (SELECT 1 FROM retractions r
           WHERE r.dataset_id = ?1 AND r.source = ?2 AND r.endpoint_id IN (?3, '') AND r.scope = 'version'
             AND r.external_id = value ->> 'externalId' AND ${IS_AFTER("value ->> 'time'", "?5")}) AS is_outdone
    FROM json_each(?4) ORDER BY key`

interface Newest {
  readonly said_at: number | null
  readonly is_retracted: number
  readonly is_outdone: number
}

interface Known {
  readonly id: string
  readonly status: string
  readonly labelled_at: number | null
  readonly endpoint_id: string
}

/** Digest of where it came from, external id and content. The API's have no endpoint in it. */
export const identify = async (
  { datasetId: dataset, source, endpointId: endpoint }: Origin,
  comparison: Comparison,
): Promise<Arrival> => {
  const { externalId } = comparison
  const content = await sha256Hex(canonicalJson(comparison))
  const idFrom = (from: object) => sha256Hex(canonicalJson({ content, dataset, externalId, source, ...from }))
  const idWithout = await idFrom({})
  return { id: endpoint === "" ? idWithout : await idFrom({ endpoint }), idWithout, comparison }
}

/** What is not stored yet. */
interface Fresh {
  readonly arrival: Arrival
  readonly row: object
}

const saidAt = ({ labelledAt }: Comparison): number | undefined =>
  labelledAt === undefined ? undefined : timeOf(labelledAt)

const rowOf = ({ id, comparison }: Arrival, place: Place | undefined) => ({
  id,
  externalId: comparison.externalId,
  annotator: comparison.annotator,
  task: comparison.task,
  judgementKind: comparison.judgement.kind,
  labelledAt: saidAt(comparison),
  toolTask: place?.task,
  toolProject: place?.project,
})

/** The stored row that is this arrival, if there is one. */
const knownAs = ({ id, idWithout }: Arrival, { endpointId }: Origin, known: ReadonlyMap<string, Known>) => {
  const earlier = known.get(idWithout)
  return known.get(id) ?? (earlier?.endpoint_id === "" || earlier?.endpoint_id === endpointId ? earlier : undefined)
}

/** Whether what is stored counts no more, so that it may be said again. */
const isOver = ({ status }: Known): boolean => status === "retracted" || status === "superseded"

/** Of what is said at once without a time, the last counts: of each content, and of each thing. */
const lastSaid = (arrivals: readonly Arrival[]) => {
  const [ofContent, ofThing] = [new Map<string, number>(), new Map<string, number>()]
  for (const [index, { id, comparison }] of arrivals.entries()) {
    if (comparison.labelledAt !== undefined) continue
    ofContent.set(id, index)
    ofThing.set(comparison.externalId, index)
  }
  return { ofContent, ofThing }
}

/** Of each name that is said anew, all judgements but the one that counts. */
const countOutdone = (arrivals: readonly Arrival[], newest: readonly Newest[], fates: readonly Fate[]): number => {
  const counted = new Map<string, number>()
  for (const [index, { comparison }] of arrivals.entries()) {
    if (fates[index] !== "accepted" && fates[index] !== "superseded") continue
    const { externalId } = comparison
    const stored = newest[index]!.said_at === null ? 0 : 1
    counted.set(externalId, (counted.get(externalId) ?? stored) + 1)
  }
  return [...counted.values()].reduce((sum, count) => sum + count - 1, 0)
}

/** What becomes of an arrival that was said at a time. */
const fateOf = ({ said_at: said, is_retracted: isRetracted, is_outdone: isOutdone }: Newest, time: number): Fate => {
  if (isRetracted) return "retracted"
  return isOutdone || (said !== null && said > time) ? "superseded" : "accepted"
}

export class Comparisons extends Context.Service<
  Comparisons,
  {
    /** Stores the payload and plans the transaction. It fails with `AlreadyExists` if one of them came in meanwhile: plan again. */
    readonly plan: (origin: Origin, said: readonly Said[], heardAtMs?: number) => Effect.Effect<Plan>
  }
>()("yohaku/gateway/Comparisons") {
  static readonly layer = Layer.effect(
    Comparisons,
    Effect.gen(function* () {
      const database = yield* Database
      const blobs = yield* Blobs

      const knownOf = Effect.fnUntraced(function* (arrivals: readonly Arrival[]) {
        const rows = yield* database.all<Known>(
          "SELECT id, status, labelled_at, endpoint_id FROM comparisons WHERE id IN (SELECT value FROM json_each(?))",
          JSON.stringify(arrivals.flatMap(({ id, idWithout }) => [id, idWithout])),
        )
        return new Map(rows.map((row) => [row.id, row]))
      })

      /** In the order of the rows. */
      const newestOf = ({ datasetId, source, endpointId }: Origin, rows: readonly object[], now: number) =>
        database.all<Newest>(NEWEST, datasetId, source, endpointId, JSON.stringify(rows), now)

      const insertion = Effect.fnUntraced(function* (origin: Origin, fresh: readonly Fresh[], now: number) {
        if (fresh.length === 0) return []
        const { datasetId, source, endpointId } = origin
        const lines = fresh.map(({ arrival }) => canonicalJson(arrival.comparison)).join("\n")
        const { digest, release } = yield* blobs.put(
          new TextEncoder().encode(lines),
          holderOf(datasetId, fresh[0]!.arrival.id),
        )
        const rows = JSON.stringify(fresh.map(({ row }) => row))
        return [database.prepare(INSERT, datasetId, source, endpointId, digest, now, rows), release]
      })

      const plan = Effect.fnUntraced(function* (origin: Origin, said: readonly Said[], heardAtMs?: number) {
        const now = heardAtMs ?? (yield* Clock.currentTimeMillis)
        const arrivals = yield* Effect.promise(() =>
          Promise.all(said.map(({ comparison }) => identify(origin, comparison))),
        )
        const rows = arrivals.map((arrival, index) => rowOf(arrival, said[index]!.place))
        const known = yield* knownOf(arrivals)
        const times = arrivals.map(({ comparison }) => saidAt(comparison) ?? now)
        const newest = yield* newestOf(
          origin,
          rows.map((row, index) => ({ ...row, time: times[index] })),
          now,
        )
        const fresh: Fresh[] = []
        const again: string[] = []
        const seen = new Set<string>()
        const last = lastSaid(arrivals)
        const fateAt = (arrival: Arrival, index: number): Fate => {
          const { id, comparison } = arrival
          const stored = knownAs(arrival, origin, known)
          if (seen.has(id) || (last.ofContent.get(id) ?? index) > index) return "duplicate"
          seen.add(id)
          const isOutdone = comparison.labelledAt === undefined && last.ofThing.get(comparison.externalId)! > index
          const fate = isOutdone ? "superseded" : fateOf(newest[index]!, times[index]!)
          if (stored === undefined) fresh.push({ arrival, row: { ...rows[index]!, isOutdone } })
          else if (isOver(stored) && fate === "accepted") again.push(stored.id)
          else return "duplicate"
          return fate
        }
        const statuses = arrivals.map(fateAt)
        const outdone = countOutdone(arrivals, newest, statuses)
        if (fresh.length + again.length === 0) return { statements: [], statuses, outdone }
        const externalIds = [...new Set(arrivals.map(({ comparison }) => comparison.externalId))]
        const ids = JSON.stringify([...fresh.map(({ arrival }) => arrival.id), ...again])
        return {
          statements: [
            ...adopt(database.prepare, origin, externalIds),
            ...(yield* insertion(origin, fresh, now)),
            ...(again.length === 0 ? [] : [database.prepare(SAY_AGAIN, now, JSON.stringify(again))]),
            ...settle(database.prepare, origin, externalIds),
            database.prepare(ENQUEUE, now, ids),
          ],
          statuses,
          outdone,
        }
      })
      return Comparisons.of({ plan })
    }),
  )
}
