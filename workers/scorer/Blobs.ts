// Blobs of R2 by digest. A blob whose bytes do not match its name is an error, never data.
import { Context, Effect, Layer } from "effect"
import { blobPlace, findBlob, openBlob } from "#shared/wire/blobs.ts"
import { BlobCorrupt, BlobMissing, StorageFailed } from "./errors.ts"

export type BlobFailure = BlobMissing | BlobCorrupt | StorageFailed

const attempt = <A>(operation: string, run: () => Promise<A>): Effect.Effect<A, StorageFailed> =>
  Effect.tryPromise({ try: run, catch: (cause) => new StorageFailed({ store: "R2", operation, cause }) })

export class Blobs extends Context.Service<
  Blobs,
  {
    /** The blob's verified bytes; `what` names it in errors. */
    read(digest: string, what: string): Effect.Effect<Uint8Array<ArrayBuffer>, BlobFailure>
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
