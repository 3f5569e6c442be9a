// Files that arrive in parts, over R2's multipart uploads. One upload a digest and size, so that whoever sends a file again goes on with it.
// What is put together stays unseen until its digest was found to be the right one; then the blob's own key points to it.
import { Clock, Context, Effect, Layer } from "effect"
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
    detail: `${missing.length} parts are missing, the first is ${missing[0]}; send them, then complete the upload again.`,
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
    /** Makes the blob of the parts; false where the same bytes came another way meanwhile. */
    readonly complete: (upload: UploadUnderWay) => Effect.Effect<boolean, NotFound | UploadIncomplete | DigestMismatch>
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

      const forget = ({ id }: UploadUnderWay) =>
        Effect.orDie(
          database.batch([
            database.prepare("DELETE FROM upload_parts WHERE upload_id = ?", id),
            database.prepare("DELETE FROM uploads WHERE id = ?", id),
          ]),
        )

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
        yield* forget(upload)
      })
      const clearForgotten = Effect.fnUntraced(function* (nowMs: number) {
        const rows = yield* database.all<Row>(
          "SELECT * FROM uploads WHERE created_at < ? ORDER BY created_at LIMIT ?",
          ...[nowMs - LIMITS.uploadMs, CLEARED_AT_ONCE],
        )
        yield* Effect.forEach(rows, (row) => discard(uploadOf(row)), { discard: true })
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

      const verify = Effect.fnUntraced(function* (upload: UploadUnderWay) {
        const found = yield* ask("R2", async () => {
          const object = await BLOBS.get(upload.key)
          return object === null ? null : await digestOf(object.body)
        })
        // Another request found other bytes, and ended the upload.
        if (found === null) return yield* noUpload(upload.id)
        if (found === upload.digest) return
        yield* discard(upload)
        return yield* mismatch(upload.digest)
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
        find: Effect.fnUntraced(function* (id) {
          const row = yield* rowOf("id = ?", id)
          return row === undefined ? yield* noUpload(id) : uploadOf(row)
        }),
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
        complete: Effect.fnUntraced(function* (upload) {
          const parts = yield* allParts(upload)
          const there = new Set(parts.map(({ number }) => number))
          const missing = Array.from({ length: upload.partCount }, (_, index) => index + 1).filter(
            (number) => !there.has(number),
          )
          if (missing.length > 0) return yield* lackingProblem(missing)
          yield* assemble(upload, parts)
          yield* verify(upload)
          const pointer = yield* ask("R2", () =>
            BLOBS.put(blobKey(upload.digest), "", {
              onlyIf: { etagDoesNotMatch: "*" },
              customMetadata: { ...pointerTo(upload.key, upload.bytes) },
            }),
          )
          yield* pointer === null ? discard(upload) : forget(upload)
          return pointer !== null
        }),
      })
    }),
  )
}
