// /v1/uploads
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { YohakuApi } from "#shared/api/Api.ts"
import { PartUnfit, UnusableRequest } from "#shared/api/problems.ts"
import type { OpenUpload } from "#shared/api/uploads.ts"
import { receivePart } from "../http/blob-transfer.ts"
import { Orchestrator } from "../Orchestrator.ts"
import { Blobs } from "../storage/Blobs.ts"
import { bytesOfPart, Uploads, type UploadUnderWay } from "../storage/Uploads.ts"

const unfit = (upload: UploadUnderWay, number: number, expectedBytes: number | undefined) =>
  new PartUnfit({
    parts: upload.partCount,
    ...(expectedBytes === undefined ? {} : { expectedBytes }),
    detail:
      expectedBytes === undefined
        ? `The upload has ${upload.partCount} parts, and none is ${number}; number them from 1.`
        : `Part ${number} has ${expectedBytes} bytes; cut the file into parts of ${upload.partBytes} bytes, the last of the rest.`,
  })

const otherSize = (digest: string, bytes: number) =>
  new UnusableRequest({
    detail: `${digest} is stored with ${bytes} bytes, and bytes of one digest have one size; take digest and size of the file once more.`,
  })

interface LeaseHeaders {
  readonly "yohaku-job"?: string
  readonly "yohaku-fencing-token"?: number
}

export const UploadsLayer = HttpApiBuilder.group(
  YohakuApi,
  "uploads",
  Effect.fnUntraced(function* (handlers) {
    const blobs = yield* Blobs
    const uploads = yield* Uploads
    const orchestrator = yield* Orchestrator

    /** What a runner sends for a job counts only as long as it holds it. */
    const checkLease = Effect.fnUntraced(function* ({
      "yohaku-job": jobId,
      "yohaku-fencing-token": fencingToken,
    }: LeaseHeaders) {
      if (jobId === undefined && fencingToken === undefined) return
      if (jobId === undefined || fencingToken === undefined)
        return yield* new UnusableRequest({ detail: "Send yohaku-job and yohaku-fencing-token together, or neither." })
      yield* orchestrator
        .call("job", (rpc) => rpc.checkLease({ jobId, fencingToken }))
        .pipe(Effect.catchTag("Conflict", Effect.die))
    })

    const shown = Effect.fnUntraced(function* (upload: UploadUnderWay) {
      const { digest, bytes, id, partBytes, partCount } = upload
      const parts = yield* uploads.parts(upload)
      return { status: "open", digest, bytes, uploadId: id, partBytes, partCount, parts } satisfies OpenUpload
    })

    return handlers
      .handle(
        "begin",
        Effect.fnUntraced(function* ({ headers, payload: { digest, bytes } }) {
          yield* checkLease(headers)
          yield* blobs.claim(digest)
          const stored = yield* blobs.size(digest)
          if (stored === undefined) return yield* shown(yield* uploads.begin(digest, bytes))
          if (stored !== bytes) return yield* otherSize(digest, stored)
          return { status: "stored" as const, digest, bytes }
        }),
      )
      .handle("get", ({ params: { uploadId } }) => Effect.flatMap(uploads.find(uploadId), shown))
      .handleRaw(
        "putPart",
        Effect.fnUntraced(function* ({ headers, params: { uploadId, number } }) {
          yield* checkLease(headers)
          const upload = yield* uploads.find(uploadId)
          const bytes = bytesOfPart(upload, number)
          const received = yield* receivePart(upload.partBytes)
          if (received.bytes !== bytes) return yield* unfit(upload, number, bytes)
          yield* uploads.putPart(upload, number, received.stream())
          return { number, bytes }
        }),
      )
      .handle(
        "complete",
        Effect.fnUntraced(function* ({ headers, params: { uploadId } }) {
          yield* checkLease(headers)
          return yield* uploads.complete(uploadId)
        }),
      )
  }),
)
