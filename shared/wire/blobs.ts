// Blobs: immutable bytes in R2 under their own SHA-256. Where they stand, and how their bytes are held to their name.
// R2 cannot rename. So what arrived in parts stays where it was put together, and the object under the blob's own key is empty and
// points there: whatever stands under that key was verified.
import { sha256Hex } from "#shared/formats/digest.ts"

/** The key of a blob in its bucket. */
export const blobKey = (digest: string): string => `blobs/${digest}`

/** Where an upload's parts are put together. Nobody reads it before the blob's own key points to it. */
export const assembledKey = (uploadId: string): string => `uploads/${uploadId}`

interface Head {
  readonly size: number
  readonly customMetadata?: Readonly<Record<string, string>>
}

export interface BlobBody extends Head {
  readonly body: ReadableStream
  text(): Promise<string>
  arrayBuffer(): Promise<ArrayBuffer>
}

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** What reading asks of an R2 bucket. */
export interface BlobBucket {
  head(key: string): Promise<Head | null>
  get(key: string, options?: { readonly range: ByteRange }): Promise<BlobBody | null>
}

/** What the object under a blob's own key says of bytes that are elsewhere. */
export const pointerTo = (key: string, bytes: number): Readonly<Record<string, string>> => ({
  at: key,
  bytes: String(bytes),
})

/** Where a blob's bytes are and how many; undefined where there is no such blob. */
export const blobPlace = async (
  bucket: Pick<BlobBucket, "head">,
  digest: string,
): Promise<{ readonly key: string; readonly bytes: number } | undefined> => {
  const key = blobKey(digest)
  const head = await bucket.head(key)
  if (head === null) return undefined
  const { at, bytes } = head.customMetadata ?? {}
  return at === undefined ? { key, bytes: head.size } : { key: at, bytes: Number(bytes) }
}

/** A blob's bytes as they are stored, all or those of a range; undefined where there is no such blob. They are not verified here. */
export const openBlob = async (
  bucket: BlobBucket,
  digest: string,
  range?: ByteRange,
): Promise<BlobBody | undefined> => {
  const place = await blobPlace(bucket, digest)
  if (place === undefined) return undefined
  return (await bucket.get(place.key, ...(range === undefined ? [] : [{ range }]))) ?? undefined
}

export type FoundBlob =
  | { readonly kind: "whole"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "missing" }
  /** The bytes have another digest than their name says: they are never data. */
  | { readonly kind: "corrupt"; readonly found: string }

/** The blob's bytes, verified. Rejects when the bucket does not answer. */
export const findBlob = async (bucket: BlobBucket, digest: string): Promise<FoundBlob> => {
  const object = await openBlob(bucket, digest)
  if (object === undefined) return { kind: "missing" }
  const bytes = new Uint8Array(await object.arrayBuffer())
  const found = await sha256Hex(bytes)
  return found === digest ? { kind: "whole", bytes } : { kind: "corrupt", found }
}
