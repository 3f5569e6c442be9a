// Immutable bytes in R2 under their own digest. R2 itself compares the digest and keeps nothing that does not match.
import { Context, Effect, Layer } from "effect"
import { DigestMismatch } from "#shared/api/problems.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { type BlobBody, type ByteRange, blobKey, blobPlace, openBlob } from "#shared/wire/blobs.ts"
import { Environment } from "../Environment.ts"
import { ask, PartUnavailable } from "./Database.ts"

const isMismatch = (cause: unknown): boolean =>
  cause instanceof Error && /checksum|did not match|10037/i.test(cause.message)

export const mismatch = (digest: string): DigestMismatch =>
  new DigestMismatch({ detail: `The bytes do not have the digest ${digest}; send the digest of what is uploaded.` })

export class Blobs extends Context.Service<
  Blobs,
  {
    /** Stores bytes; returns their digest. Storing the same bytes twice is one blob. */
    readonly put: (bytes: Uint8Array) => Effect.Effect<string>
    /** Stores a stream of known length, verified on its way. */
    readonly putStream: (digest: string, stream: ReadableStream) => Effect.Effect<void, DigestMismatch>
    readonly size: (digest: string) => Effect.Effect<number | undefined>
    /** Its bytes as a stream, all or those of a range. */
    readonly get: (digest: string, range?: ByteRange) => Effect.Effect<BlobBody | undefined>
  }
>()("yohaku/gateway/Blobs") {
  static readonly layer = Layer.effect(
    Blobs,
    Effect.map(Environment, ({ BLOBS }) =>
      Blobs.of({
        put: Effect.fnUntraced(function* (bytes) {
          const digest = yield* Effect.promise(() => sha256Hex(bytes))
          yield* ask("R2", () =>
            BLOBS.put(blobKey(digest), bytes, { onlyIf: { etagDoesNotMatch: "*" }, sha256: digest }),
          )
          return digest
        }),
        putStream: (digest, stream) =>
          Effect.tryPromise({
            try: () => BLOBS.put(blobKey(digest), stream, { sha256: digest }),
            catch: (cause) => (isMismatch(cause) ? mismatch(digest) : new PartUnavailable({ part: "R2", cause })),
          }).pipe(Effect.catchTag("PartUnavailable", Effect.die), Effect.asVoid),
        size: (digest) => ask("R2", async () => (await blobPlace(BLOBS, digest))?.bytes),
        get: (digest, range) => ask("R2", () => openBlob(BLOBS, digest, range)),
      }),
    ),
  )
}
