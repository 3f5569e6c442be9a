// Deleting blobs: first they are listed as condemned, then it is looked once more whether anything refers to them, then they go. Who claims
// one before it is listed is seen by that look; who comes later is told to wait. Killed in between, the list says what is left to do.
import { blobKey } from "#shared/wire/blobs.ts"
import { LIMITS, slices } from "#shared/wire/limits.ts"
import type { Environment } from "../Environment.ts"
import { namedInRows } from "./blob-references.ts"
import { count } from "./counters.ts"

/** What R2 deletes in one call. */
const AT_ONCE = 1000

type Stores = Pick<Environment, "DB" | "BLOBS">

interface Condemned {
  readonly digest: string
  readonly uploaded_before: number | null
}

/** A statement that lists blobs. */
export const condemnation = (db: D1Database, digests: readonly string[], uploadedBefore: number | null) =>
  db
    .prepare("INSERT OR IGNORE INTO condemned_blobs (digest, uploaded_before) SELECT value, ?2 FROM json_each(?1)")
    .bind(JSON.stringify(digests), uploadedBefore)

/** Whether it was stored again since, and where the rest of it stands. What goes in any case was never sent in parts. */
const lookAt = async ({ BLOBS }: Stores, { digest, uploaded_before: before }: Condemned) => {
  const head = before === null ? null : await BLOBS.head(blobKey(digest))
  const isRenewed = head !== null && before !== null && head.uploaded.getTime() >= before
  const parts = head?.customMetadata?.at
  return { digest, isRenewed, keys: parts === undefined ? [] : [parts] }
}

const remove = async (env: Stores, condemned: readonly Condemned[], nowMs: number): Promise<number> => {
  const named = await namedInRows(
    env.DB,
    condemned.map(({ digest }) => digest),
    nowMs,
  )
  const looked = []
  for (const some of slices(
    condemned.filter(({ digest }) => !named.has(digest)),
    LIMITS.concurrentCalls,
  ))
    looked.push(...(await Promise.all(some.map((each) => lookAt(env, each)))))
  const gone = looked.filter(({ isRenewed }) => !isRenewed)
  // The blob's own key first: what it points to is found by the sweep, should this be all that happens.
  for (const keys of [gone.map(({ digest }) => blobKey(digest)), gone.flatMap((each) => each.keys)])
    if (keys.length > 0) await env.BLOBS.delete(keys)
  return gone.length
}

/** Deletes what is listed and nothing refers to, as much as goes at once. True: some of it is left. */
export const removeCondemned = async (env: Stores, nowMs: number): Promise<boolean> => {
  const { results } = await env.DB.prepare("SELECT * FROM condemned_blobs LIMIT ?").bind(AT_ONCE).all<Condemned>()
  if (results.length === 0) return false
  const removed = await remove(env, results, nowMs)
  await env.DB.batch([
    env.DB.prepare("DELETE FROM condemned_blobs WHERE digest IN (SELECT value FROM json_each(?))").bind(
      JSON.stringify(results.map(({ digest }) => digest)),
    ),
    count(env.DB, "blobs_deleted", removed),
  ])
  if (removed > 0) console.log(`${removed} blobs are deleted, to which nothing referred any more`)
  return results.length === AT_ONCE
}
