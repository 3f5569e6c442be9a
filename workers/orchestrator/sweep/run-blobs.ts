// The blobs that a run named in its detail: snapshot with its pages, pack with its shards, files of the adapter. What is gone names nothing.
import { findBlob } from "#shared/wire/blobs.ts"
import type { Environment } from "../Environment.ts"

interface Named {
  readonly snapshot: string | null
  readonly pack: string | null
  readonly adapter: string | null
}

/** Columns of `runs` that `blobsOf` reads. */
export const NAMED_COLUMNS = `json_extract(detail, '$.snapshot.digest') AS snapshot, json_extract(detail, '$.pack.digest') AS pack,
  json_extract(detail, '$.train.adapter') AS adapter`

export type RunNames = Named

const isDigest = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{64}$/.test(value)

/** What a blob of JSON holds; nothing where there is none, or it is no JSON. */
const readJson = async (bucket: R2Bucket, digest: string): Promise<Readonly<Record<string, unknown>>> => {
  const blob = await findBlob(bucket, digest)
  if (blob.kind !== "whole") return {}
  try {
    return JSON.parse(new TextDecoder().decode(blob.bytes))
  } catch {
    return {}
  }
}

/** A list of digests, or of objects that have one. */
const digestsIn = (value: unknown): string[] =>
  (Array.isArray(value) ? value : []).map((each) => each?.digest ?? each).filter(isDigest)

/** What it was trained on: what a blob names comes before that blob, so that nobody who deletes in this order loses the names. */
export const trainedOn = async ({ BLOBS }: Pick<Environment, "BLOBS">, run: Named): Promise<readonly string[]> => {
  const found: string[] = []
  for (const digest of [run.pack, run.snapshot].filter(isDigest)) {
    const { shards, pages } = await readJson(BLOBS, digest)
    found.push(...digestsIn(shards), ...digestsIn(pages), digest)
  }
  return found
}

/** All of them. */
export const blobsOf = async (env: Pick<Environment, "BLOBS">, run: Named): Promise<readonly string[]> => {
  const adapter = run.adapter === null ? [] : Object.values(JSON.parse(run.adapter)).filter(isDigest)
  return [...(await trainedOn(env, run)), ...adapter]
}
