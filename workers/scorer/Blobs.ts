// Blobs of R2 by digest. A blob whose bytes do not match its name is an error, never data.
import { Context, Effect, Layer } from "effect"
import { bytesToHex } from "#shared/formats/digest.ts"
import { blobPlace, findBlob, openBlob } from "#shared/wire/blobs.ts"
import { BlobCorrupt, BlobMissing, StorageFailed } from "./errors.ts"

export type BlobFailure = BlobMissing | BlobCorrupt | StorageFailed

const attempt = <A>(operation: string, run: () => Promise<A>): Effect.Effect<A, StorageFailed> =>
  Effect.tryPromise({ try: run, catch: (cause) => new StorageFailed({ store: "R2", operation, cause }) })

/** The digest of the bytes that were given on; undefined where there is no such blob. */
const streamBlob = async (
  bucket: R2Bucket,
  digest: string,
  take: (chunk: Uint8Array) => void,
): Promise<string | undefined> => {
  const blob = await openBlob(bucket, digest)
  if (blob === undefined) return undefined
  const hashed = new crypto.DigestStream("SHA-256")
  const writer = hashed.getWriter()
  for await (const chunk of blob.body as ReadableStream<Uint8Array>) {
    await writer.write(chunk)
    take(chunk)
  }
  await writer.close()
  return bytesToHex(new Uint8Array(await hashed.digest))
}

export class Blobs extends Context.Service<
  Blobs,
  {
    /** The blob's verified bytes; `what` names it in errors. */
    read(digest: string, what: string): Effect.Effect<Uint8Array<ArrayBuffer>, BlobFailure>
    /** Gives the blob's bytes on as they come. They are verified only when this succeeds: until then nothing may be made of them for good. */
    stream(digest: string, what: string, take: (chunk: Uint8Array) => void): Effect.Effect<void, BlobFailure>
    /** Its first bytes, at most `length`; not verified. */
    readStart(digest: string, what: string, length: number): Effect.Effect<Uint8Array, BlobMissing | StorageFailed>
    /** Its size, without reading it. */
    sizeBytes(digest: string, what: string): Effect.Effect<number, BlobMissing | StorageFailed>
  }
>()("yohaku/scorer/Blobs") {
  static readonly layer = (bucket: R2Bucket): Layer.Layer<Blobs> =>
    Layer.succeed(Blobs, {
      read: Effect.fnUntraced(function* (digest, what) {
        const blob = yield* attempt(`read ${what}`, () => findBlob(bucket, digest))
        if (blob.kind === "missing") return yield* new BlobMissing({ what, digest })
        if (blob.kind === "corrupt") return yield* new BlobCorrupt({ what, digest, found: blob.found })
        return blob.bytes
      }),
      stream: Effect.fnUntraced(function* (digest, what, take) {
        const found = yield* attempt(`read ${what}`, () => streamBlob(bucket, digest, take))
        if (found === undefined) return yield* new BlobMissing({ what, digest })
        if (found !== digest) return yield* new BlobCorrupt({ what, digest, found })
      }),
      readStart: Effect.fnUntraced(function* (digest, what, length) {
        const start = yield* attempt(`read ${what}`, async () => {
          const blob = await openBlob(bucket, digest, { offset: 0, length })
          return blob && new Uint8Array(await blob.arrayBuffer())
        })
        return start ?? (yield* new BlobMissing({ what, digest }))
      }),
      sizeBytes: Effect.fnUntraced(function* (digest, what) {
        const place = yield* attempt(`look up ${what}`, () => blobPlace(bucket, digest))
        return place === undefined ? yield* new BlobMissing({ what, digest }) : place.bytes
      }),
    })
}
