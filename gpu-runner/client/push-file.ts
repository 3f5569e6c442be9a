// Sends one file to a gateway in parts, several side by side, and goes on with what an earlier try left there. Of a file that is stored
// already nothing is sent; whoever is killed in between loses the parts that were on their way.
import { open } from "node:fs/promises"
import { Effect, Schema } from "effect"
import { LIMITS } from "#shared/wire/limits.ts"
import type { GatewayAddress, makeApiClient } from "./ApiClient.ts"
import { CallRefused, patiently } from "./call-failure.ts"
import { postPatiently, putBytes } from "./patient-call.ts"

/** The file is not what it was when its digest was computed, or too large. */
export class FileUnsendable extends Schema.TaggedError<FileUnsendable>()("FileUnsendable", {
  message: Schema.String,
}) {}

export interface SentFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
  /** SHA-256, hex. */
  readonly digest: string
}

export interface PartsThere {
  readonly there: number
  readonly count: number
}

export interface Sending extends GatewayAddress {
  readonly client: Effect.Success<ReturnType<typeof makeApiClient>>
  /** Parts on their way at a time. */
  readonly parallel: number
  /** How much of the file is there, and how much of it has just been sent; of one that is not whole yet, also in parts. */
  readonly onArrived: (file: SentFile, thereBytes: number, sentBytes: number, parts?: PartsThere) => void
  /** Of a runner's job: once another runner has it, no call of this one is taken. */
  readonly lease?: { readonly jobId: string; readonly fencingToken: number }
}

const headersOf = ({ lease }: Sending) =>
  lease === undefined ? {} : { "yohaku-job": lease.jobId, "yohaku-fencing-token": lease.fencingToken }

const MOST_BEGINNINGS = 3

const readPart = (file: SentFile, offset: number, length: number) =>
  Effect.tryPromise({
    try: async () => {
      const handle = await open(file.path, "r")
      try {
        const bytes = new Uint8Array(length)
        for (let done = 0; done < length; ) {
          const { bytesRead } = await handle.read(bytes, done, length - done, offset + done)
          if (bytesRead === 0) throw new Error("it became shorter")
          done += bytesRead
        }
        return bytes
      } finally {
        await handle.close()
      }
    },
    catch: (cause) =>
      new FileUnsendable({
        message: `${file.path} cannot be read (${cause instanceof Error ? cause.message : cause}); start again when nothing writes it any more`,
      }),
  })

/** Sends what is missing and completes the upload. */
const sendOnce = Effect.fnUntraced(function* (sending: Sending, file: SentFile) {
  const { client, parallel, onArrived } = sending
  const { digest, bytes } = file
  const headers = headersOf(sending)
  const upload = yield* patiently(client.uploads.begin({ headers, payload: { digest, bytes } }))
  if (upload.status === "stored") {
    return onArrived(file, bytes, 0)
  }
  const { uploadId, partBytes, partCount, parts } = upload
  const lengthOf = (number: number) => Math.min(partBytes, bytes - (number - 1) * partBytes)
  const before = new Set(parts)
  let thereBytes = parts.reduce((sum, number) => sum + lengthOf(number), 0)
  let there = parts.length
  const arrived = (sentBytes: number) => onArrived(file, thereBytes, sentBytes, { there, count: partCount })
  arrived(0)
  const path = `/v1/uploads/${encodeURIComponent(uploadId)}`
  const texts = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  const missing = Array.from({ length: partCount }, (_, index) => index + 1).filter((number) => !before.has(number))
  yield* Effect.forEach(
    missing,
    Effect.fnUntraced(function* (number) {
      const payload = yield* readPart(file, (number - 1) * partBytes, lengthOf(number))
      let leftMs = 0
      const onLeft = () => {
        leftMs = Date.now()
      }
      const put = putBytes(sending, `${path}/parts/${number}`, { headers: texts, body: payload, onLeft })
      yield* patiently(put, { sentMs: () => leftMs })
      thereBytes += payload.length
      there += 1
      arrived(payload.length)
    }),
    { concurrency: parallel, discard: true },
  )
  yield* patiently(postPatiently(sending, `${path}/complete`, texts))
})

const isGone = (error: unknown): boolean => error instanceof CallRefused && error.status === 404

/** Errors: FileUnsendable, CallRefused. A gateway that is away is waited for. */
export const sendFile = Effect.fn("sendFile")(function* (sending: Sending, file: SentFile) {
  if (file.bytes > LIMITS.partedFileBytes)
    return yield* new FileUnsendable({
      message: `${file.name} has ${file.bytes} bytes, and the gateway takes ${LIMITS.partedFileBytes} a file; save the model in smaller shards (max_shard_size)`,
    })
  if (file.bytes === 0)
    return yield* new FileUnsendable({ message: `${file.path} is empty; fetch the model folder again` })
  // Another sender of the same file may complete the upload, or the store give up on it, while parts are on their way.
  yield* sendOnce(sending, file).pipe(Effect.retry({ times: MOST_BEGINNINGS - 1, while: isGone }))
})
