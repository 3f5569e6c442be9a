// Empty stores before a test. The platform's reset now and then leaves the database as it was, when what the last test had left
// running was in it at that moment; a test would then meet the last one's dataset.
import { reset } from "cloudflare:test"

const ATTEMPTS = 50

/** Resets until the database holds no tables. */
export const emptyStores = async (db: D1Database): Promise<void> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await reset()
    const found = await db.prepare("SELECT count(*) AS count FROM sqlite_master WHERE name = 'datasets'").first("count")
    if (found === 0) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`the database is not empty after ${ATTEMPTS} resets`)
}
