// Reads what a stopped local system has stored, past all of its code: straight from the files, through Miniflare.
import path from "node:path"
import { convertV4MiniflareOptions, Miniflare } from "miniflare"

const DATABASE_ID = "00000000-0000-0000-0000-000000000001"

export interface StoredState {
  readonly comparisons: number
  readonly distinctComparisons: number
  readonly outbox: number
  readonly readyPairs: number
  readonly distinctPairContents: number
  readonly runs: readonly { readonly status: string; readonly trigger: string }[]
  readonly production: readonly { readonly name: string; readonly version: number; readonly digest: string }[]
}

/** Opens the persisted D1 database of a state directory, asks, and closes it. The system must not be running. */
export const storedState = async (stateDirectory: string): Promise<StoredState> => {
  const options = convertV4MiniflareOptions({
    name: "reader",
    modules: true,
    script: "export default { fetch() { return new Response() } }",
    compatibilityDate: "2026-11-01",
    d1Databases: { DB: DATABASE_ID },
  })
  const miniflare = new Miniflare({ ...options, resourcePersistencePath: path.join(stateDirectory, "workers", "v3") })
  try {
    const database = await miniflare.getD1Database("DB")
    const first = async <A>(sql: string): Promise<A> => (await database.prepare(sql).first<A>("value")) as A
    const all = async <A>(sql: string): Promise<readonly A[]> => (await database.prepare(sql).all<A>()).results
    return {
      comparisons: await first("SELECT count(*) AS value FROM comparisons"),
      distinctComparisons: await first(
        "SELECT count(*) AS value FROM (SELECT DISTINCT dataset_id, source, external_id FROM comparisons)",
      ),
      outbox: await first("SELECT count(*) AS value FROM outbox"),
      readyPairs: await first("SELECT count(*) AS value FROM pairs WHERE status = 'ready'"),
      distinctPairContents: await first(
        "SELECT count(*) AS value FROM (SELECT DISTINCT chosen_digest, rejected_digest FROM pairs WHERE status = 'ready')",
      ),
      runs: await all("SELECT status, trigger FROM runs ORDER BY created_at"),
      production: await all(
        "SELECT m.name, m.version, m.digest FROM channels c JOIN models m ON m.name = c.name AND m.version = c.version WHERE c.channel = 'production'",
      ),
    }
  } finally {
    await miniflare.dispose()
  }
}
