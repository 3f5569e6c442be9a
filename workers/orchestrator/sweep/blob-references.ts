// All that refers to blobs, in one place. A column of the database that names a digest is listed here, or a test fails.
import { CLAIM_MS } from "#shared/wire/blob-claims.ts"

/** Columns that hold digests, and whether what they name is kept for their sake. */
export const DIGEST_COLUMNS = {
  "comparisons.payload_digest": "keeps: the texts of a judgement",
  "models.files": "keeps: the files of base models and adapters, for ever",
  "runs.detail":
    "keeps: snapshot, pack and adapter of a run that is under way or ended lately, of a dataset that is there",
  "blob_claims.digest": "keeps for a week: somebody is about to refer to it",
  "uploads.digest": "names what its parts will be; they stand under uploads/",
  "ended_uploads.digest": "says what an upload was of",
  "deliveries.digest": "names the body of a delivery, which stands under deliveries/",
  "condemned_blobs.digest": "is being deleted",
  "models.digest": "names a set of files, not a blob",
  "pairs.tokenizer_digest": "names a file of the base model, which its models.files keeps",
  "pairs.prompt_digest": "names the tokens of a prompt, not a blob",
  "pairs.chosen_digest": "names a record in KV",
  "pairs.rejected_digest": "names a record in KV",
} as const satisfies Readonly<Record<string, string>>

/** Those of digests that a row of D1 names by itself; what the details of runs name has to be read first. */
const NAMED = `
  SELECT value AS digest FROM json_each(?1)
   WHERE EXISTS (SELECT 1 FROM comparisons WHERE payload_digest = value)
      OR EXISTS (SELECT 1 FROM blob_claims WHERE digest = value AND claimed_at > ?2)
      OR value IN (SELECT file.value FROM models, json_each(models.files) AS file)`

export const namedInRows = async (
  db: D1Database,
  digests: readonly string[],
  nowMs: number,
): Promise<ReadonlySet<string>> => {
  if (digests.length === 0) return new Set()
  const { results } = await db
    .prepare(NAMED)
    .bind(JSON.stringify(digests), nowMs - CLAIM_MS)
    .all<{ digest: string }>()
  return new Set(results.map(({ digest }) => digest))
}
