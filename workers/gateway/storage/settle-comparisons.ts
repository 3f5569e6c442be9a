// What a transaction does with the judgements of some annotations: which of them counts is a function of when each was said and
// when they were last taken back, so that the order in which news arrives does not matter.
import type { Source } from "#shared/judgement/Comparison.ts"
import { findDateFault } from "#shared/judgement/comparison-faults.ts"
import { COUNT_VOTES, FORGET_STATED, MARK_STATED, SAID_AT } from "#shared/judgement/pair-votes.ts"
import type { Retraction } from "#shared/judgement/sources/retraction.ts"
import { timeOf as dateOf } from "#shared/judgement/time-of.ts"
import type { Database } from "./Database.ts"

/** Where a judgement came from. An external id is a name within one of these. */
export interface Origin {
  readonly datasetId: string
  readonly source: Source
  /** "" for the API. */
  readonly endpointId: string
}

/** The last time that a Date can hold. */
export const FOR_GOOD = 8_640_000_000_000_000

const ORIGIN = "dataset_id = ?1 AND source = ?2 AND endpoint_id = ?3"
const LISTED = "(SELECT value FROM json_each(?4))"

/** The column of `comparisons` by which a scope's id is found. */
const COLUMN = {
  annotation: "external_id",
  version: "external_id",
  task: "tool_task",
  project: "tool_project",
} as const

/** What still counts, as the index finds it: versions that were superseded are never compared again. */
export const COUNTING = "'received', 'paired', 'dropped', 'parked'"

/** What arrived later wins a draw. */
const SAID_ORDER = (row: string) => `(${SAID_AT(row)}, ${row}.received_at, ${row}.rowid)`

/** Whether a retraction `r` is of what was said at a time and arrived at another: at one time by its own rule. */
export const IS_AFTER = (saidAt: string, receivedAt: string) => `
  (r.retracted_at > ${saidAt} OR (r.retracted_at = ${saidAt} AND coalesce(r.heard_at > ${receivedAt}, 1)))`

/** Whatever was stored without its endpoint belongs to the first that names it. */
const ADOPT = `
  UPDATE comparisons SET endpoint_id = ?3
   WHERE dataset_id = ?1 AND source = ?2 AND endpoint_id = '' AND external_id IN ${LISTED}`

const ADOPT_RETRACTIONS = `
  UPDATE OR REPLACE retractions SET endpoint_id = ?3
   WHERE dataset_id = ?1 AND source = ?2 AND endpoint_id = '' AND scope IN ('annotation', 'version')
     AND external_id IN ${LISTED}`

/** Retractions `r` that speak of a row. */
const SPEAKS_OF = (row: string) => `
  r.dataset_id = ?1 AND r.source = ?2 AND r.endpoint_id = ?3
  AND (r.scope = 'annotation' AND r.external_id = ${row}.external_id
       OR r.scope = 'task' AND r.external_id = ${row}.tool_task
       OR r.scope = 'project' AND r.external_id = ${row}.tool_project)`

const AFTER_IT = IS_AFTER(SAID_AT("comparisons"), "comparisons.received_at")

/** Why one that counts does so no longer. */
const TAKEN_BACK = `EXISTS (SELECT 1 FROM retractions r WHERE ${SPEAKS_OF("comparisons")} AND ${AFTER_IT})`

/** Something else was said since, which counts or cannot be used. */
const OUTDATED = `
  (EXISTS (SELECT 1 FROM retractions r
            WHERE r.dataset_id = ?1 AND r.source = ?2 AND r.endpoint_id = ?3 AND r.scope = 'version'
              AND r.external_id = comparisons.external_id AND ${AFTER_IT})
   OR EXISTS (SELECT 1 FROM comparisons later WHERE later.dataset_id = comparisons.dataset_id
              AND later.source = comparisons.source AND later.endpoint_id = comparisons.endpoint_id
              AND later.external_id = comparisons.external_id AND later.status IN (${COUNTING})
              AND ${SAID_ORDER("later")} > ${SAID_ORDER("comparisons")}))`

/** Looks at what counts alone: how many versions were superseded before makes no difference to the cost. */
const LEAVING = (column: string, why: string) =>
  `${ORIGIN} AND ${column} IN ${LISTED} AND status IN (${COUNTING}) AND ${why}`

const RETRACT = (column: string) => `
  UPDATE comparisons SET status = 'retracted', reason = 'taken back at its source' WHERE ${LEAVING(column, TAKEN_BACK)}`

/** Versions that were superseded before are taken back with it. */
const RETRACT_VERSIONS = (column: string) => `
  UPDATE comparisons SET status = 'retracted', reason = 'taken back at its source'
   WHERE ${ORIGIN} AND ${column} IN ${LISTED} AND status = 'superseded' AND ${TAKEN_BACK}`

/** What a superseded comparison is told to be. */
export const OUTDONE = "a later judgement of the same thing"

const SUPERSEDE = (column: string) => `
  UPDATE comparisons SET status = 'superseded', reason = '${OUTDONE}'
   WHERE ${LEAVING(column, OUTDATED)}`

const LEAVING_IDS = (column: string, why: string) => `(SELECT id FROM comparisons WHERE ${LEAVING(column, why)})`

/** What has no time is after everything that was said until now, also by a clock that is ahead. */
const UNTIL_NOW = (column: string) => `
  max(?6, coalesce((SELECT max(${SAID_AT("c")}) FROM comparisons c
                     WHERE c.dataset_id = ?1 AND c.source = ?2 AND c.endpoint_id = ?3 AND c.${column} = value
                       AND c.status IN (${COUNTING})), 0))`

const RECORD = (time: string) => `
  INSERT INTO retractions (dataset_id, source, endpoint_id, scope, external_id, retracted_at, heard_at)
  SELECT ?1, ?2, ?3, ?5, value, ${time}, ?7 FROM json_each(?4) WHERE true
      ON CONFLICT DO UPDATE SET
         heard_at = CASE WHEN excluded.retracted_at > retracted_at THEN excluded.heard_at
                         WHEN excluded.retracted_at = retracted_at THEN max(heard_at, excluded.heard_at)
                         ELSE heard_at END,
         retracted_at = max(retracted_at, excluded.retracted_at)`

/** What is stored of annotations, and how much of it counts. */
const COUNT = (column: string) => `
  SELECT count(*) AS stored, coalesce(sum(status IN (${COUNTING})), 0) AS live
    FROM comparisons WHERE ${ORIGIN} AND ${column} IN ${LISTED}`

type Prepare = Database["Service"]["prepare"]

const parametersOf = ({ datasetId, source, endpointId }: Origin, ids: readonly string[]) =>
  [datasetId, source, endpointId, JSON.stringify(ids)] as const

export const adopt = (prepare: Prepare, origin: Origin, externalIds: readonly string[]): D1PreparedStatement[] => {
  const parameters = parametersOf(origin, externalIds)
  return origin.endpointId === "" ? [] : [prepare(ADOPT, ...parameters), prepare(ADOPT_RETRACTIONS, ...parameters)]
}

type Parameters = ReturnType<typeof parametersOf>

/** Takes back what the leaving state, before they do; what others state stays. */
const settlePairs = (
  prepare: Prepare,
  [column, why]: readonly [column: string, why: string],
  parameters: Parameters,
): D1PreparedStatement[] => {
  const leaving = LEAVING_IDS(column, why)
  return [
    prepare(MARK_STATED(leaving), ...parameters),
    prepare(FORGET_STATED(leaving), ...parameters),
    ...COUNT_VOTES.map((sql) => prepare(sql)),
  ]
}

/** What no longer counts since something later was said. */
const outdate = (prepare: Prepare, parameters: Parameters): D1PreparedStatement[] => [
  ...settlePairs(prepare, [COLUMN.annotation, OUTDATED], parameters),
  prepare(SUPERSEDE(COLUMN.annotation), ...parameters),
]

const takeBack = (prepare: Prepare, column: string, parameters: Parameters): D1PreparedStatement[] => [
  ...settlePairs(prepare, [column, TAKEN_BACK], parameters),
  prepare(RETRACT(column), ...parameters),
]

/** After new judgements: which counts, and whose pairs do not. */
export const settle = (prepare: Prepare, origin: Origin, externalIds: readonly string[]): D1PreparedStatement[] => {
  const parameters = parametersOf(origin, externalIds)
  return [...takeBack(prepare, COLUMN.annotation, parameters), ...outdate(prepare, parameters)]
}

/** Undefined where it is unknown, or lies so far ahead that nothing said later could count again. */
const timeOf = ({ at }: Retraction, now: number): number | undefined => {
  if (at === "for-good") return FOR_GOOD
  return at === undefined || findDateFault(at, now) !== undefined ? undefined : dateOf(at)
}

/** What the tool took back, of one scope. The last statement's row counts what is stored of it. */
export const retract = (
  prepare: Prepare,
  origin: Origin,
  retractions: readonly Retraction[],
  now: number,
): D1PreparedStatement[] => {
  const scope = retractions[0]?.scope ?? "annotation"
  const ids = retractions.map(({ externalId }) => externalId)
  const byTime = Map.groupBy(retractions, (retraction) => timeOf(retraction, now))
  const parameters = parametersOf(origin, ids)
  const heardAt = scope === "version" || origin.endpointId === "" ? now : null
  return [
    ...(COLUMN[scope] === COLUMN.annotation ? adopt(prepare, origin, ids) : []),
    ...[...byTime].map(([time, some]) => {
      const named = some.map(({ externalId }) => externalId)
      const record = RECORD(time === undefined ? UNTIL_NOW(COLUMN[scope]) : "?6")
      return prepare(record, ...parametersOf(origin, named), scope, time ?? now, heardAt)
    }),
    ...(scope === "version"
      ? outdate(prepare, parameters)
      : [...takeBack(prepare, COLUMN[scope], parameters), prepare(RETRACT_VERSIONS(COLUMN[scope]), ...parameters)]),
    prepare(COUNT(COLUMN[scope]), ...parameters),
  ]
}

const COUNT_COUNTING = `
  SELECT count(DISTINCT comparisons.id) AS counting FROM json_each(?4) AS r CROSS JOIN comparisons
   WHERE ${ORIGIN} AND external_id = r.value ->> 'externalId' AND status IN (${COUNTING})
     AND ${SAID_AT("comparisons")} <= r.value ->> 'time'`

/** A query of how many judgements that count now these retractions of annotations take back, and its parameters. */
export const countingBefore = (
  { datasetId, source, endpointId }: Origin,
  retractions: readonly Retraction[],
  now: number,
): readonly [sql: string, ...parameters: readonly string[]] => {
  const timed = retractions.map((retraction) => ({ ...retraction, time: timeOf(retraction, now) ?? FOR_GOOD }))
  return [COUNT_COUNTING, datasetId, source, endpointId, JSON.stringify(timed)]
}
