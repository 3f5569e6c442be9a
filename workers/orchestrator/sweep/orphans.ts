// Finds objects of the bucket to which nothing refers, and deletes those of which that was found before and a stated time has passed since. A
// round looks at all of them, page by page; between two pages it may be killed.
import { blobKey } from "#shared/wire/blobs.ts"
import { type EvaluationRow, evaluationOfRow } from "#shared/wire/evaluation-row.ts"
import type { Environment } from "../Environment.ts"
import { namedInRows } from "./blob-references.ts"
import { condemnation, removeCondemned } from "./condemned.ts"
import type { Marks } from "./Marks.ts"
import { blobsOf, blobsOfEvaluation, NAMED_COLUMNS, type RunNames } from "./run-blobs.ts"

const RUNS_PER_PAGE = 50
const OBJECTS_PER_PAGE = 500

type Stores = Pick<Environment, "DB" | "BLOBS">

/** Times, in milliseconds since the epoch. */
export interface Bounds {
  readonly nowMs: number
  /** What nothing has referred to since, and was not stored since, is deleted. */
  readonly orphanedBefore: number
  /** What runs that ended later were trained on is kept. */
  readonly endedAfter: number
  /** Runs, and objects, of a page. */
  readonly perPage?: number
}

const STAGES = ["runs", "evaluations", "blobs", "uploads", "deliveries"] as const

/** How far a round is; `after` is the last that was looked at in its stage. */
export interface Round {
  readonly stage: (typeof STAGES)[number]
  readonly after: string
}

export const FIRST_PAGE: Round = { stage: "runs", after: "" }

/** Where a page ended; undefined where it was its stage's last. */
type Page = Promise<string | undefined>

/** Runs under way, and those that ended lately; of a dataset that was deleted only the adapters' files are left, which the registry names. */
const nameBlobsOfRuns = async (env: Stores, marks: Marks, after: string, bounds: Bounds): Page => {
  const { endedAfter, perPage = RUNS_PER_PAGE } = bounds
  const { results } = await env.DB.prepare(
    `SELECT r.id, ${NAMED_COLUMNS} FROM runs r JOIN datasets d ON d.id = r.dataset_id
      WHERE r.id > ? AND (r.status = 'running' OR r.updated_at > ?) AND d.deleted_at IS NULL ORDER BY r.id LIMIT ?`,
  )
    .bind(after, endedAfter, perPage)
    .all<RunNames & { readonly id: string }>()
  for (const run of results) marks.name(await blobsOf(env, run))
  return results.length < perPage ? undefined : results.at(-1)!.id
}

/** Evaluations under way, and those that ended lately. */
const nameBlobsOfEvaluations = async ({ DB }: Stores, marks: Marks, after: string, bounds: Bounds): Page => {
  const { endedAfter, perPage = RUNS_PER_PAGE } = bounds
  const { results } = await DB.prepare(
    "SELECT * FROM evaluations WHERE id > ? AND (status = 'running' OR updated_at > ?) ORDER BY id LIMIT ?",
  )
    .bind(after, endedAfter, perPage)
    .all<EvaluationRow>()
  for (const row of results) marks.name(blobsOfEvaluation(evaluationOfRow(row)))
  return results.length < perPage ? undefined : results.at(-1)!.id
}

/** What was stored since the oldest run under way began is that run's perhaps: it names its blobs at the end of a step. */
const newestDeleted = async ({ DB }: Stores, { orphanedBefore }: Bounds): Promise<number> => {
  const row = await DB.prepare(
    `SELECT min(created_at) AS began FROM (SELECT created_at FROM runs WHERE status = 'running'
                                           UNION ALL SELECT created_at FROM evaluations WHERE status = 'running')`,
  ).first<{ began: number | null }>()
  return Math.min(orphanedBefore, row?.began ?? orphanedBefore)
}

const list = ({ BLOBS }: Stores, prefix: string, after: string, { perPage = OBJECTS_PER_PAGE }: Bounds) =>
  BLOBS.list({
    ...{ prefix, limit: perPage, include: ["customMetadata"] },
    ...(after === "" ? {} : { startAfter: after }),
  })

const endOf = ({ objects, truncated }: R2Objects): string | undefined => (truncated ? objects.at(-1)?.key : undefined)

const sweepBlobs = async (env: Stores, marks: Marks, after: string, bounds: Bounds): Page => {
  const page = await list(env, "blobs/", after, bounds)
  const digestOf = (key: string) => key.slice(blobKey("").length)
  marks.pointTo(page.objects.flatMap(({ customMetadata }) => customMetadata?.at ?? []))
  const digests = page.objects.map(({ key }) => digestOf(key))
  const [named, inRows] = [marks.named(digests), await namedInRows(env.DB, digests, bounds.nowMs)]
  const isOrphan = (key: string) => !named.has(digestOf(key)) && !inRows.has(digestOf(key))
  const before = await newestDeleted(env, bounds)
  const keys = page.objects.map(({ key }) => key)
  const old = new Set(page.objects.filter(({ uploaded }) => uploaded.getTime() < before).map(({ key }) => key))
  const orphaned = marks.orphaned(keys, isOrphan, bounds.nowMs, bounds.orphanedBefore).filter((key) => old.has(key))
  if (orphaned.length > 0) {
    await condemnation(env.DB, orphaned.map(digestOf), before).run()
    await removeCondemned(env, bounds.nowMs)
    marks.forget(orphaned)
  }
  return endOf(page)
}

/** Deletes those of a page that nobody can come to refer to any more. */
const sweepOthers = async (
  env: Stores,
  marks: Marks,
  { page, bounds, wanted }: { readonly page: R2Objects; readonly bounds: Bounds; readonly wanted: ReadonlySet<string> },
): Page => {
  const keys = page.objects.map(({ key }) => key)
  const orphaned = marks.orphaned(keys, (key) => !wanted.has(key), bounds.nowMs, bounds.orphanedBefore)
  const old = new Set(
    page.objects.filter(({ uploaded }) => uploaded.getTime() < bounds.orphanedBefore).map(({ key }) => key),
  )
  const gone = orphaned.filter((key) => old.has(key))
  if (gone.length > 0) await env.BLOBS.delete(gone)
  marks.forget(gone)
  return endOf(page)
}

/** Files put together of parts: a blob points to each, or its upload is under way. After all blobs were looked at. */
const sweepUploads = async (env: Stores, marks: Marks, after: string, bounds: Bounds): Page => {
  const page = await list(env, "uploads/", after, bounds)
  const keys = page.objects.map(({ key }) => key)
  const { results } = await env.DB.prepare(
    "SELECT 'uploads/' || id AS key FROM uploads WHERE 'uploads/' || id IN (SELECT value FROM json_each(?))",
  )
    .bind(JSON.stringify(keys))
    .all<{ key: string }>()
  const wanted = new Set([...marks.pointedTo(keys), ...results.map(({ key }) => key)])
  return sweepOthers(env, marks, { page, bounds, wanted })
}

/** Bodies of deliveries that can be replayed. */
const sweepDeliveries = async (env: Stores, marks: Marks, after: string, bounds: Bounds): Page => {
  const page = await list(env, "deliveries/", after, bounds)
  const { results } = await env.DB.prepare(
    `SELECT value AS key FROM json_each(?) WHERE EXISTS (
       SELECT 1 FROM deliveries WHERE has_body = 1 AND value = 'deliveries/' || endpoint_id || '/' || digest
          AND endpoint_id = substr(value, 12, instr(substr(value, 12), '/') - 1))`,
  )
    .bind(JSON.stringify(page.objects.map(({ key }) => key)))
    .all<{ key: string }>()
  return sweepOthers(env, marks, { page, bounds, wanted: new Set(results.map(({ key }) => key)) })
}

const SWEEPS = {
  ...{ runs: nameBlobsOfRuns, evaluations: nameBlobsOfEvaluations },
  ...{ blobs: sweepBlobs, uploads: sweepUploads, deliveries: sweepDeliveries },
}

/** One page of a round. Resolves to the next one; undefined at the round's end. */
export const sweepOrphans = async (
  env: Stores,
  marks: Marks,
  { stage, after }: Round,
  bounds: Bounds,
): Promise<Round | undefined> => {
  if (stage === FIRST_PAGE.stage && after === "") marks.beginRound()
  const end = await SWEEPS[stage](env, marks, after, bounds)
  if (end !== undefined) return { stage, after: end }
  const next = STAGES[STAGES.indexOf(stage) + 1]
  return next === undefined ? undefined : { stage: next, after: "" }
}
