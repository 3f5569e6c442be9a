// Immutable bytes in R2 under their own digest. R2 itself compares the digest and keeps nothing that does not match.
import { Clock, Context, Effect, Layer } from "effect"
import { DigestMismatch } from "#shared/api/problems.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { claimBlobs, RELEASE } from "#shared/wire/blob-claims.ts"
import { type BlobBody, type ByteRange, blobKey, blobPlace, openBlob } from "#shared/wire/blobs.ts"
import { Environment } from "../Environment.ts"
import { ask, PartUnavailable } from "./Database.ts"

const BEING_DELETED = "an old blob of these bytes, to which nothing referred, is being deleted"

const isMismatch = (cause: unknown): boolean =>
  cause instanceof Error && /checksum|did not match|10037/i.test(cause.message)

export const mismatch = (digest: string): DigestMismatch =>
  new DigestMismatch({ detail: `The bytes do not have the digest ${digest}; send the digest of what is uploaded.` })

export class Blobs extends Context.Service<
  Blobs,
  {
    /**
     * Stores bytes for a holder; returns their digest, and the statement that gives the claim up, for the transaction that refers to
     * them. Storing the same bytes twice is one blob.
     */
    readonly put: (
      bytes: Uint8Array,
      holder: string,
    ) => Effect.Effect<{ readonly digest: string; readonly release: D1PreparedStatement }>
    /** Makes sure that a blob is not swept for a week, whether it is there or will be. */
    readonly claim: (digest: string) => Effect.Effect<void>
    /** Stores a stream of known length, verified on its way. */
    readonly putStream: (digest: string, stream: ReadableStream) => Effect.Effect<void, DigestMismatch>
    readonly size: (digest: string) => Effect.Effect<number | undefined>
    /** Its bytes as a stream, all or those of a range. */
    readonly get: (digest: string, range?: ByteRange) => Effect.Effect<BlobBody | undefined>
  }
>()("yohaku/gateway/Blobs") {
  static readonly layer = Layer.effect(
    Blobs,
    Effect.map(Environment, ({ BLOBS, DB }) => {
      const claim = Effect.fnUntraced(function* (digest: string, holder = "") {
        const nowMs = yield* Clock.currentTimeMillis
        const isClaimed = yield* ask("D1", () => claimBlobs(DB, [digest], { holder, nowMs }))
        if (!isClaimed) return yield* Effect.die(new PartUnavailable({ part: "R2", cause: new Error(BEING_DELETED) }))
      })
      return Blobs.of({
        put: Effect.fnUntraced(function* (bytes, holder) {
          const digest = yield* Effect.promise(() => sha256Hex(bytes))
          yield* claim(digest, holder)
          yield* ask("R2", () =>
            BLOBS.put(blobKey(digest), bytes, { onlyIf: { etagDoesNotMatch: "*" }, sha256: digest }),
          )
          return { digest, release: DB.prepare(RELEASE).bind(digest, holder) }
        }),
        claim,
        putStream: (digest, stream) =>
          Effect.tryPromise({
            try: () => BLOBS.put(blobKey(digest), stream, { sha256: digest }),
            catch: (cause) => (isMismatch(cause) ? mismatch(digest) : new PartUnavailable({ part: "R2", cause })),
          }).pipe(Effect.catchTag("PartUnavailable", Effect.die), Effect.asVoid),
        size: (digest) => ask("R2", async () => (await blobPlace(BLOBS, digest))?.bytes),
        get: (digest, range) => ask("R2", () => openBlob(BLOBS, digest, range)),
      })
    }),
  )
}
