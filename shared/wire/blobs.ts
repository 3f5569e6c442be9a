// Blobs: immutable bytes in R2 under their own SHA-256. Where they stand, and how their bytes are held to their name.
import { sha256Hex } from "#shared/formats/digest.ts"

/** The key of a blob in its bucket. */
export const blobKey = (digest: string): string => `blobs/${digest}`

/** What reading asks of an R2 bucket. */
interface BlobBucket {
  get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null>
}

export type FoundBlob =
  | { readonly kind: "whole"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "missing" }
  /** The bytes have another digest than their name says: they are never data. */
  | { readonly kind: "corrupt"; readonly found: string }

/** The blob's bytes, verified. Rejects when the bucket does not answer. */
export const findBlob = async (bucket: BlobBucket, digest: string): Promise<FoundBlob> => {
  const object = await bucket.get(blobKey(digest))
  if (object === null) return { kind: "missing" }
  const bytes = new Uint8Array(await object.arrayBuffer())
  const found = await sha256Hex(bytes)
  return found === digest ? { kind: "whole", bytes } : { kind: "corrupt", found }
}
