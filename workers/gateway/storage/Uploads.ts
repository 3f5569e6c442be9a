// Files that arrive in parts, over R2's multipart uploads. One upload a digest and size, so that whoever sends a file again goes on with it.
// What is put together stays unseen until its digest was found to be the right one; then the blob's own key points to it. How an upload ended is
// kept: who asks again, or at the same time as another, gets the same answer.
import { Clock, Context, Effect, Layer } from "effect"
import type { StoredBlob } from "#shared/api/models.ts"
import { type DigestMismatch, NotFound, UploadIncomplete } from "#shared/api/problems.ts"
import { bytesToHex } from "#shared/formats/digest.ts"
import { assembledKey, blobKey, blobPlace, pointerTo } from "#shared/wire/blobs.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { Environment } from "../Environment.ts"
import { mismatch } from "./Blobs.ts"
import { ask, Database } from "./Database.ts"
import { randomHex } from "./Vault.ts"

const UPLOAD_ID_BYTES = 12
const MEBIBYTE = 1024 * 1024
/** Forgotten uploads that one new one clears away. */
const CLEARED_AT_ONCE = 5

interface Row {
  readonly id: string
  readonly digest: string
  readonly bytes: number
  readonly part_bytes: number
  readonly multipart_id: string
}

/** The blob is these bytes, or the same that came another way; or they were not those of the digest. */
type Outcome = "created" | "found" | "mismatch"

interface EndedRow {
  readonly digest: string
  readonly bytes: number
  readonly outcome: Outcome
}

export interface UploadUnderWay {
  readonly id: string
  readonly digest: string
  readonly bytes: number
  /** Of every part but the last. */
  readonly partBytes: number
  readonly partCount: number
  /** Where its parts are put together. */
  readonly key: string
  /** R2's own id. */
  readonly multipartId: string
}

interface Part {
  readonly number: number
  readonly etag: string
}

/** So large that `LIMITS.parts` of them hold the file. */
export const partBytesOf = (bytes: number): number =>
  Math.max(LIMITS.leastPartBytes, Math.ceil(bytes / LIMITS.parts / MEBIBYTE) * MEBIBYTE)

const uploadOf = ({ id, digest, bytes, part_bytes, multipart_id }: Row): UploadUnderWay => ({
  ...{ id, digest, bytes, partBytes: part_bytes, partCount: Math.ceil(bytes / part_bytes) },
  ...{ key: assembledKey(id), multipartId: multipart_id },
})

/** Bytes that the part must have; undefined where the upload has no such part. */
export const bytesOfPart = ({ bytes, partBytes, partCount }: UploadUnderWay, number: number): number | undefined =>
  number < 1 || number > partCount ? undefined : Math.min(partBytes, bytes - (number - 1) * partBytes)

const noUpload = (id: string) =>
  new NotFound({
    resource: "upload",
    detail: `There is no upload ${JSON.stringify(id)} under way; begin with POST /v1/uploads, which says what is stored already.`,
  })

const digestOf = async (body: ReadableStream): Promise<string> => {
  const stream = new crypto.DigestStream("SHA-256")
  await body.pipeTo(stream)
  return bytesToHex(new Uint8Array(await stream.digest))
}

const lackingProblem = (missing: readonly number[]) =>
  new UploadIncomplete({
    lacking: missing.length,
    missing: missing.slice(0, LIMITS.namedParts),
    detail: `${missing.length === 1 ? "1 part is" : `${missing.length} parts are`} missing, the first is ${missing[0]}; send them, then complete the upload again.`,
  })

export class Uploads extends Context.Service<
  Uploads,
  {
    /** The upload of this file that is under way, or a new one. */
    readonly begin: (digest: string, bytes: number) => Effect.Effect<UploadUnderWay>
    readonly find: (id: string) => Effect.Effect<UploadUnderWay, NotFound>
    /** Numbers of the parts that are there, rising. */
    readonly parts: (upload: UploadUnderWay) => Effect.Effect<readonly number[]>
    readonly putPart: (upload: UploadUnderWay, number: number, part: ReadableStream) => Effect.Effect<void, NotFound>
    /** Makes the blob of the parts; `created` is false where the same bytes came another way meanwhile. Again, answers the same. */
    readonly complete: (
      id: string,
    ) => Effect.Effect<typeof StoredBlob.Type, NotFound | UploadIncomplete | DigestMismatch>
  }
>()("yohaku/gateway/Uploads") {
  static readonly layer = Layer.effect(
    Uploads,
    Effect.gen(function* () {
      const { BLOBS } = yield* Environment
      const database = yield* Database
      const multipart = ({ key, multipartId }: UploadUnderWay) => BLOBS.resumeMultipartUpload(key, multipartId)
      const rowOf = (condition: string, ...values: readonly (string | number)[]) =>
        database.first<Row>(`SELECT * FROM uploads WHERE ${condition}`, ...values)

      const rowsGone = ({ id }: UploadUnderWay) => [
        database.prepare("DELETE FROM upload_parts WHERE upload_id = ?", id),
        database.prepare("DELETE FROM uploads WHERE id = ?", id),
      ]

      /** Ends an upload: its rows go, and its bytes where no blob points to them. */
      const discard = Effect.fnUntraced(function* (upload: UploadUnderWay) {
        yield* ask("R2", async () => {
          if ((await blobPlace(BLOBS, upload.digest))?.key === upload.key) return
          // One that was put together, or that R2 gave up on, cannot be aborted any more.
          await multipart(upload)
            .abort()
            .catch(() => undefined)
          await BLOBS.delete(upload.key)
        })
        yield* Effect.orDie(database.batch(rowsGone(upload)))
      })

      /** Ends one that was put together. It is known how before any byte goes: another request may be looking for them. */
      const end = Effect.fnUntraced(function* (upload: UploadUnderWay, outcome: Outcome) {
        const kept = database.prepare(
          `INSERT INTO ended_uploads SELECT id, digest, bytes, ?, ? FROM uploads WHERE id = ? ON CONFLICT DO NOTHING`,
          ...[outcome, yield* Clock.currentTimeMillis, upload.id],
        )
        yield* Effect.orDie(database.batch([kept, ...rowsGone(upload)]))
        if (outcome !== "created") yield* ask("R2", () => BLOBS.delete(upload.key))
      })

      const clearForgotten = Effect.fnUntraced(function* (nowMs: number) {
        const rows = yield* database.all<Row>(
          "SELECT * FROM uploads WHERE created_at < ? ORDER BY created_at LIMIT ?",
          ...[nowMs - LIMITS.uploadMs, CLEARED_AT_ONCE],
        )
        yield* Effect.forEach(rows, (row) => discard(uploadOf(row)), { discard: true })
        const old = database.prepare("DELETE FROM ended_uploads WHERE ended_at < ?", nowMs - LIMITS.uploadMs)
        yield* Effect.orDie(database.batch([old]))
      })

      const allParts = ({ id }: UploadUnderWay) =>
        database.all<Part>("SELECT number, etag FROM upload_parts WHERE upload_id = ? ORDER BY number", id)

      /** Puts the parts together, unless that was done before a crash or is done by another request. */
      const assemble = Effect.fnUntraced(function* (upload: UploadUnderWay, parts: readonly Part[]) {
        const isThere = ask("R2", async () => (await BLOBS.head(upload.key)) !== null)
        if (yield* isThere) return
        const listed = parts.map(({ number, etag }) => ({ partNumber: number, etag }))
        const failure = yield* ask("R2", () =>
          multipart(upload)
            .complete(listed)
            .then(() => undefined, String),
        )
        if (failure === undefined || (yield* isThere)) return
        console.warn(`R2 did not put upload ${upload.id} together: ${failure}`)
        yield* discard(upload)
        return yield* noUpload(upload.id)
      })

      const finish = Effect.fnUntraced(function* (upload: UploadUnderWay) {
        const parts = yield* allParts(upload)
        const there = new Set(parts.map(({ number }) => number))
        const missing = Array.from({ length: upload.partCount }, (_, index) => index + 1).filter(
          (number) => !there.has(number),
        )
        if (missing.length > 0) return yield* lackingProblem(missing)
        yield* assemble(upload, parts)
        const found = yield* ask("R2", async () => {
          const object = await BLOBS.get(upload.key)
          return object === null ? null : await digestOf(object.body)
        })
        if (found === null) return yield* noUpload(upload.id)
        if (found !== upload.digest) return yield* end(upload, "mismatch")
        const isOurs = yield* ask("R2", async () => {
          const options = {
            onlyIf: { etagDoesNotMatch: "*" },
            customMetadata: { ...pointerTo(upload.key, upload.bytes) },
          }
          const pointer = await BLOBS.put(blobKey(upload.digest), "", options)
          // Another request may have put the pointer, or this one before a crash.
          return pointer !== null || (await blobPlace(BLOBS, upload.digest))?.key === upload.key
        })
        yield* end(upload, isOurs ? "created" : "found")
      })
      const find = Effect.fnUntraced(function* (id: string) {
        const row = yield* rowOf("id = ?", id)
        return row === undefined ? yield* noUpload(id) : uploadOf(row)
      })

      return Uploads.of({
        begin: Effect.fnUntraced(function* (digest, bytes) {
          const nowMs = yield* Clock.currentTimeMillis
          yield* clearForgotten(nowMs)
          const known = yield* rowOf("digest = ? AND bytes = ?", digest, bytes)
          if (known !== undefined) return uploadOf(known)
          const id = randomHex(UPLOAD_ID_BYTES)
          const { uploadId } = yield* ask("R2", () => BLOBS.createMultipartUpload(assembledKey(id)))
          const values = [id, digest, bytes, partBytesOf(bytes), uploadId, nowMs]
          yield* Effect.orDie(
            database.batch([
              database.prepare("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", ...values),
            ]),
          )
          const row = (yield* rowOf("digest = ? AND bytes = ?", digest, bytes))!
          if (row.id !== id) yield* ask("R2", () => BLOBS.resumeMultipartUpload(assembledKey(id), uploadId).abort())
          return uploadOf(row)
        }),
        find,
        parts: (upload) => Effect.map(allParts(upload), (parts) => parts.map(({ number }) => number)),
        putPart: Effect.fnUntraced(function* (upload, number, part) {
          const { etag } = yield* ask("R2", () => multipart(upload).uploadPart(number, part))
          const [written] = yield* Effect.orDie(
            database.batch([
              database.prepare(
                `INSERT INTO upload_parts SELECT id, ?, ? FROM uploads WHERE id = ?
                 ON CONFLICT (upload_id, number) DO UPDATE SET etag = excluded.etag`,
                ...[number, etag, upload.id],
              ),
            ]),
          )
          if (written?.meta.changes === 0) return yield* noUpload(upload.id)
        }),
        complete: Effect.fnUntraced(function* (id) {
          const problem = yield* Effect.flatMap(find(id), finish).pipe(
            Effect.match({ onSuccess: () => undefined, onFailure: (failure) => failure }),
          )
          // Whatever came in between, the upload ended once.
          const ended = yield* database.first<EndedRow>(
            "SELECT digest, bytes, outcome FROM ended_uploads WHERE id = ?",
            id,
          )
          if (ended === undefined) return yield* problem ?? noUpload(id)
          const { digest, bytes, outcome } = ended
          return outcome === "mismatch" ? yield* mismatch(digest) : { digest, bytes, created: outcome === "created" }
        }),
      })
    }),
  )
}
