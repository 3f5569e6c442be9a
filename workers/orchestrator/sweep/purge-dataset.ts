// Deletes what is left of a dataset that was deleted, in batches; each may be the last thing that happens, and the next begins where it
// ended. Nothing is added meanwhile: triggers of the database refuse it. The dataset's own row goes last, and with it the id is free again.

import type { Environment } from "../Environment.ts"
import { condemnation, removeCondemned } from "./condemned.ts"
import { count } from "./counters.ts"
import { NAMED_COLUMNS, type RunNames, textsOf } from "./run-blobs.ts"

/** What becomes of each table's rows of a dataset. A table that is not listed here fails a test. */
export const OF_DATASET = {
  comparisons: "deleted",
  outbox: "deleted with their comparisons",
  pairs: "deleted with their comparisons",
  pair_statements: "deleted with their comparisons",
  blob_claims: "deleted with the texts that they are of",
  condemned_blobs: "says what is being deleted",
  webhook_endpoints: "deleted",
  deliveries: "deleted with their endpoint",
  retractions: "deleted",
  datasets: "deleted last; a row of another id stays where runs do",
  runs: "stay, without what they were trained on",
  run_triggers: "stay with the run that they name",
  models: "stay: adapters that were trained on it",
  channels: "stay: adapters that were trained on it",
  idempotency: "forgotten when it is marked as deleted; others by their age",
  uploads: "of files, which belong to no dataset",
  upload_parts: "of files, which belong to no dataset",
  ended_uploads: "of files, which belong to no dataset",
  api_keys: "of the deployment",
  scorer_counters: "of the deployment",
  sweep_counters: "of the deployment",
} as const satisfies Readonly<Record<string, string>>

const COMPARISONS_AT_ONCE = 500
const OBJECTS_AT_ONCE = 1000
/** Batches of one event, far below D1's thousand queries. */
const BATCHES_PER_EVENT = 40

type Stores = Pick<Environment, "DB" | "BLOBS" | "WORKFLOW_RUN">

/** Where a dataset's deletion has got to with its runs: the last that was looked at. */
export interface PurgeNotes {
  get(key: string): Promise<string | undefined>
  put(key: string, value: string): Promise<void>
  delete(key: string): Promise<unknown>
}

const OF_COMPARISONS = [
  `INSERT OR IGNORE INTO condemned_blobs (digest)
     SELECT DISTINCT payload_digest FROM comparisons WHERE id IN (SELECT value FROM json_each(?)) AND payload_digest <> ''`,
  ...["outbox", "pair_statements", "pairs"].map(
    (table) => `DELETE FROM ${table} WHERE comparison_id IN (SELECT value FROM json_each(?))`,
  ),
  "DELETE FROM comparisons WHERE id IN (SELECT value FROM json_each(?))",
]

/** False where none were left. */
const purgeComparisons = async (env: Stores, id: string, nowMs: number): Promise<boolean> => {
  const { DB } = env
  const { results } = await DB.prepare("SELECT id FROM comparisons WHERE dataset_id = ? LIMIT ?")
    .bind(id, COMPARISONS_AT_ONCE)
    .all<{ id: string }>()
  if (results.length === 0) return false
  const ids = JSON.stringify(results.map((row) => row.id))
  await DB.batch(OF_COMPARISONS.map((sql) => DB.prepare(sql).bind(ids)))
  await removeCondemned(env, nowMs)
  return true
}

/** The first of datasets that are gone or going: their holders will find that nothing can be added. */
const CLAIMED_FOR_NOTHING = `
  FROM blob_claims WHERE holder <> '' AND NOT EXISTS (
    SELECT 1 FROM datasets WHERE id = substr(holder, 1, instr(holder, '/') - 1) AND deleted_at IS NULL)
  ORDER BY holder, digest LIMIT ${OBJECTS_AT_ONCE}`

/** Texts of judgements that were on their way in when their dataset was deleted, and what else is listed as condemned. False where none were left. */
const purgeClaims = async (env: Stores, nowMs: number): Promise<boolean> => {
  const { DB } = env
  const [, deleted] = await DB.batch([
    DB.prepare(`INSERT OR IGNORE INTO condemned_blobs (digest) SELECT digest ${CLAIMED_FOR_NOTHING}`),
    DB.prepare(`DELETE FROM blob_claims WHERE (digest, holder) IN (SELECT digest, holder ${CLAIMED_FOR_NOTHING})`),
  ])
  const isLeft = await removeCondemned(env, nowMs)
  return isLeft || (deleted?.meta.changes ?? 0) > 0
}

const purgeRetractions = async ({ DB }: Stores, id: string): Promise<boolean> => {
  const { meta } = await DB.prepare(
    `DELETE FROM retractions WHERE (dataset_id, source, endpoint_id, scope, external_id) IN
       (SELECT dataset_id, source, endpoint_id, scope, external_id FROM retractions WHERE dataset_id = ? LIMIT ?)`,
  )
    .bind(id, OBJECTS_AT_ONCE)
    .run()
  return meta.changes > 0
}

/** An endpoint's bodies, then its row with its deliveries: a body that is stored behind that is found by the sweep. */
const purgeEndpoint = async ({ DB, BLOBS }: Stores, id: string): Promise<boolean> => {
  const endpoint = await DB.prepare("SELECT id FROM webhook_endpoints WHERE dataset_id = ? LIMIT 1")
    .bind(id)
    .first<{ id: string }>()
  if (endpoint === null) return false
  const { objects } = await BLOBS.list({ prefix: `deliveries/${endpoint.id}/`, limit: OBJECTS_AT_ONCE })
  if (objects.length > 0) {
    await BLOBS.delete(objects.map(({ key }) => key))
    return true
  }
  await DB.batch([
    DB.prepare("DELETE FROM deliveries WHERE endpoint_id = ?").bind(endpoint.id),
    DB.prepare("DELETE FROM webhook_endpoints WHERE id = ?").bind(endpoint.id),
  ])
  return true
}

/** One of its runs: what that was trained on holds the dataset's texts as tokens. */
const purgeRun = async (env: Stores, id: string, nowMs: number, notes: PurgeNotes): Promise<boolean> => {
  const note = `runs of ${id}`
  const run = await env.DB.prepare(
    `SELECT r.id, ${NAMED_COLUMNS} FROM runs r JOIN datasets d ON d.id = r.dataset_id
      WHERE d.deleted_id = ? AND r.id > ? ORDER BY r.id LIMIT 1`,
  )
    .bind(id, (await notes.get(note)) ?? "")
    .first<RunNames & { readonly id: string }>()
  if (run === null) return false
  await condemnation(env.DB, await textsOf(env, run), null).run()
  await removeCondemned(env, nowMs)
  await notes.put(note, run.id)
  return true
}

/** One batch. Of a run it may be all that an event can do; `gone`: nothing was left but the dataset's row, which is gone now. */
const purgeBatch = async (
  env: Stores,
  id: string,
  nowMs: number,
  notes: PurgeNotes,
): Promise<"batch" | "run" | "gone"> => {
  const isLeft =
    (await purgeComparisons(env, id, nowMs)) ||
    (await purgeClaims(env, nowMs)) ||
    (await purgeEndpoint(env, id)) ||
    (await purgeRetractions(env, id))
  if (isLeft) return "batch"
  if (await purgeRun(env, id, nowMs, notes)) return "run"
  await env.DB.batch([
    env.DB.prepare("DELETE FROM datasets WHERE id = ? AND deleted_at IS NOT NULL AND deleted_id IS NULL").bind(id),
    count(env.DB, "datasets_deleted", 1),
  ])
  await notes.delete(`runs of ${id}`)
  console.log(`dataset "${id}" is deleted with its data`)
  return "gone"
}

/** Goes on deleting the datasets that were deleted. True: some of them is left. */
export const purgeDatasets = async (
  env: Stores,
  notes: PurgeNotes,
  nowMs: number,
  batches = BATCHES_PER_EVENT,
): Promise<boolean> => {
  // What an event that was killed had begun to delete, too.
  const isLeft = await purgeClaims(env, nowMs)
  for (let batch = 0; batch < batches; batch++) {
    const next = await env.DB.prepare(
      "SELECT id FROM datasets WHERE deleted_at IS NOT NULL AND deleted_id IS NULL ORDER BY deleted_at, id LIMIT 1",
    ).first<{ id: string }>()
    if (next === null) return isLeft
    if ((await purgeBatch(env, next.id, nowMs, notes)) === "run") return true
  }
  return true
}
