// Which responses score jobs ask for, of whatever run: a response that one asks for is asked of no other. Read from the pool's jobs.
import type { AskedSheet } from "../Environment.ts"

/** Jobs that are no score jobs have no reference. */
const REFERENCE = "json_extract(spec, '$.reference')"
const INDEX = `CREATE INDEX IF NOT EXISTS jobs_by_reference ON jobs (${REFERENCE}, sequence)`
const IS_OPEN = "jobs.status IN ('queued', 'leased')"

/** The open ones before the others: four of each of sixty runs at once. Each is a read of some hundred kilobytes. */
const MOST_SHEETS = 256

interface SheetColumns extends Record<string, SqlStorageValue> {
  id: string
  sheet: string
  pairs: number
  is_open: number
}

export class ScoreSheets {
  readonly #sql: SqlStorage
  /** After the tables of JobStore and ScoredPairs. */
  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(INDEX)
  }

  /** Of jobs for this reference that are open, or ended after `endedAfter`, so that their records may not be seen yet, or are named. */
  of(reference: string, endedAfter: number, own: readonly string[]): AskedSheet[] {
    return this.#sql
      .exec<SheetColumns>(
        `SELECT jobs.id, json_extract(spec, '$.sheet') AS sheet, ${IS_OPEN} AS is_open,
                CASE jobs.status WHEN 'failed' THEN coalesce(scored.pairs, 0) ELSE json_extract(spec, '$.pairs') END AS pairs
           FROM jobs LEFT JOIN scored ON scored.job_id = jobs.id
          WHERE ${REFERENCE} = ?1
            AND (${IS_OPEN} OR jobs.updated_at > ?2 OR jobs.id IN (SELECT value FROM json_each(?3)))
          ORDER BY is_open DESC, jobs.sequence DESC LIMIT ${MOST_SHEETS}`,
        ...[reference, endedAfter, JSON.stringify(own)],
      )
      .toArray()
      .filter(({ pairs }) => pairs > 0)
      .map(({ id: jobId, sheet, pairs, is_open }) => ({
        ...{ jobId, sheet, pairs },
        ...{ isOwn: own.includes(jobId), isOpen: is_open === 1 },
      }))
  }

  /** The number of the last such job of another run; 0 where there is none. */
  lastOfOthers(runId: string, reference: string): number {
    return this.#sql
      .exec<{ last: number }>(
        `SELECT coalesce(max(sequence), 0) AS last FROM jobs WHERE ${REFERENCE} = ? AND run_id <> ?`,
        ...[reference, runId],
      )
      .one().last
  }
}
