// Blobs of R2 by digest. Reading verifies; writing the same bytes again changes nothing.
import { Effect } from "effect"
import { sha256Hex } from "#shared/formats/digest.ts"
import { areCondemned } from "#shared/wire/blob-claims.ts"
import { blobKey, findBlob as find } from "#shared/wire/blobs.ts"
import { LIMITS, slices } from "#shared/wire/limits.ts"
import { decodeManifest, readShards } from "#shared/wire/pack-manifest.ts"
import { InvalidPack, type PackShard } from "#shared/wire/pack-shard.ts"
import { ResultUnusable } from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { call, Unavailable } from "./transient.ts"

/** Stores bytes under their digest and returns it. Whether they are there to stay, `keepBlobs` has to say afterwards. */
export const storeBlob = Effect.fnUntraced(function* (bytes: Uint8Array<ArrayBuffer>) {
  const { BLOBS } = yield* Bindings
  const digest = yield* Effect.promise(() => sha256Hex(bytes))
  yield* call(`store blob ${digest}`, () => BLOBS.put(blobKey(digest), bytes, { sha256: digest }))
  return digest
})

/** Blobs that one question to D1 names. */
const ASKED_AT_ONCE = 500

/** Looks at blobs that were just stored: an old one that nothing referred to may have been about to be deleted. Then they are stored again. */
export const keepBlobs = Effect.fnUntraced(function* (digests: readonly string[]) {
  const { BLOBS, DB } = yield* Bindings
  const isGone = (digest: string) =>
    call(`look at blob ${digest}`, async () => (await BLOBS.head(blobKey(digest))) === null)
  for (const some of slices(digests, ASKED_AT_ONCE)) {
    const condemned = yield* call("look at stored blobs", () => areCondemned(DB, some))
    const gone = yield* Effect.forEach(some, isGone, { concurrency: LIMITS.concurrentCalls })
    if (condemned || gone.includes(true))
      return yield* Effect.die(new Unavailable("store blobs", "what was stored of them before is being deleted"))
  }
})

/** Stores one blob to stay, and returns its digest. */
export const putBlob = Effect.fnUntraced(function* (bytes: Uint8Array<ArrayBuffer>) {
  const digest = yield* storeBlob(bytes)
  yield* keepBlobs([digest])
  return digest
})

/** The blob's bytes; undefined when there is none. Bytes that do not match their name are a defect. */
export const findBlob = Effect.fnUntraced(function* (digest: string) {
  const { BLOBS } = yield* Bindings
  const blob = yield* call(`read blob ${digest}`, () => find(BLOBS, digest))
  if (blob.kind === "corrupt")
    return yield* Effect.die(new Unavailable(`read blob ${digest}`, `its bytes have digest ${blob.found}`))
  return blob.kind === "whole" ? blob.bytes : undefined
})

/** A blob that a workflow wrote, this or another: its absence is a defect. */
export const readBlob = Effect.fnUntraced(function* (digest: string) {
  const bytes = yield* findBlob(digest)
  return bytes ?? (yield* Effect.die(new Unavailable(`read blob ${digest}`, "it is gone")))
})

const wrongPack = (cause: unknown) =>
  new ResultUnusable({ message: `the run's pack cannot be read: ${(cause as Error).message}` })

/** A pack's shards, one after the other; only one is held. Fails where it is not whole any more, or of an older version. */
export const eachShard = Effect.fnUntraced(function* <E, R>(
  packDigest: string,
  take: (shard: PackShard) => Effect.Effect<void, E, R>,
) {
  const { BLOBS } = yield* Bindings
  const bytes = yield* readBlob(packDigest)
  const manifest = yield* Effect.try({ try: () => decodeManifest(bytes), catch: wrongPack })
  const shards = readShards(manifest, async ({ digest }) => {
    const object = await BLOBS.get(blobKey(digest))
    return object === null ? undefined : new Uint8Array(await object.arrayBuffer())
  })
  for (;;) {
    const next = yield* Effect.tryPromise({ try: () => shards.next(), catch: (cause) => cause }).pipe(
      Effect.catch((cause) =>
        cause instanceof InvalidPack
          ? Effect.fail(wrongPack(cause))
          : Effect.die(new Unavailable("read the pack", cause)),
      ),
    )
    if (next.done === true) return
    yield* take(next.value)
  }
})

/** The digests of `digests` that R2 lacks. */
export const missingBlobs = async (bucket: R2Bucket, digests: readonly string[]): Promise<string[]> => {
  const heads = await Promise.all(digests.map((digest) => bucket.head(blobKey(digest))))
  return digests.filter((_, index) => heads[index] === null)
}
