// Claims of blobs: who is about to refer to one says so before he looks whether it is there. The sweep deletes no blob that is claimed;
// one that it is deleting at this moment cannot be claimed.

/** How long a claim counts, milliseconds: longer than an upload may take. */
export const CLAIM_MS = 7 * 24 * 3_600_000

/** Who claims the texts of a dataset's comparisons. */
export const holderOf = (datasetId: string, comparisonId: string): string => `${datasetId}/${comparisonId}`

/** What is asked of D1. */
interface Statements<Statement> {
  prepare(sql: string): { bind(...values: unknown[]): Statement }
  batch(statements: Statement[]): Promise<readonly { readonly results: readonly unknown[] }[]>
}

const CLAIM = `
  INSERT INTO blob_claims (digest, holder, claimed_at) SELECT value, ?2, ?3 FROM json_each(?1) WHERE true
      ON CONFLICT DO UPDATE SET claimed_at = max(claimed_at, excluded.claimed_at)`

const CONDEMNED = "SELECT digest FROM condemned_blobs WHERE digest IN (SELECT value FROM json_each(?1)) LIMIT 1"

/** Gives up what was claimed. */
export const RELEASE = "DELETE FROM blob_claims WHERE digest = ? AND holder = ?"

/** Claims blobs, whether they are there or not. False where one of them is being deleted at this moment: claim again in a moment. */
export const claimBlobs = async <Statement>(
  db: Statements<Statement>,
  digests: readonly string[],
  { holder = "", nowMs }: { readonly holder?: string; readonly nowMs: number },
): Promise<boolean> => {
  const all = JSON.stringify(digests)
  const [, condemned] = await db.batch([db.prepare(CLAIM).bind(all, holder, nowMs), db.prepare(CONDEMNED).bind(all)])
  return condemned?.results.length === 0
}

/** Whether one of these blobs is being deleted at this moment. */
export const areCondemned = async <Statement>(
  db: Statements<Statement>,
  digests: readonly string[],
): Promise<boolean> => {
  const [found] = await db.batch([db.prepare(CONDEMNED).bind(JSON.stringify(digests))])
  return found?.results.length !== 0
}
