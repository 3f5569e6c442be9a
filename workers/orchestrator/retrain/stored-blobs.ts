// Which blobs that hold a dataset's texts as tokens each step of a run has stored, read from the step's result. A step that stores such blobs is
// listed here. Digests of all else in the results, of the base model or of what was trained, name what is not the dataset's.

/** What is deleted with a dataset. */
export interface StoredBlobs {
  /** Blobs of JSON that name others: snapshots and manifests. */
  readonly lists: readonly string[]
  /** Shards. */
  readonly leaves: readonly string[]
}

interface Result {
  readonly digest?: string
  readonly shards?: readonly { readonly digest: string }[]
  readonly job?: { readonly pack: string; readonly shard: string }
}

const NOTHING: StoredBlobs = { lists: [], leaves: [] }

/**
 * Of a step by its name. A score job's sheet is not among them: it names responses and no dataset, so another dataset's open job may have the
 * very same one. It goes as an orphan.
 */
export const storedBy = (activity: string, result: unknown): StoredBlobs => {
  const { digest, shards, job } = (result ?? {}) as Result
  if (activity === "snapshot" || activity === "pack")
    return digest === undefined ? NOTHING : { lists: [digest], leaves: [] }
  if (activity.startsWith("pack/")) return { lists: [], leaves: (shards ?? []).map((shard) => shard.digest) }
  if (/^score[^/]*\/cut\//.test(activity) && job !== undefined) return { lists: [job.pack], leaves: [job.shard] }
  return NOTHING
}
