// Blobs and parts of them over HTTP: streamed both ways, a whole blob's digest verified on the way in.
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { LengthRequired, NotFound, RangeNotSatisfiable } from "#shared/api/problems.ts"
import { bytesToHex } from "#shared/formats/digest.ts"
import type { ByteRange } from "#shared/wire/blobs.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { Blobs, mismatch } from "../storage/Blobs.ts"
import { checkMedia, checkStatedLength, webRequest } from "./bodies.ts"

const lengthOf = Effect.fnUntraced(function* (request: Request, limitBytes: number) {
  const stated = request.headers.get("content-length")
  if (stated === null || !/^\d{1,15}$/.test(stated))
    return yield* new LengthRequired({ detail: "Send a Content-Length: an upload is streamed to its store." })
  yield* checkStatedLength(request, limitBytes)
  return Number(stated)
})

/** The digest of a body that is read to its end and forgotten: an answer before that would break the connection of some clients. */
const digestOf = (request: Request) =>
  Effect.promise(async () => {
    const stream = new crypto.DigestStream("SHA-256")
    await (request.body ?? new Response("").body)?.pipeTo(stream)
    return bytesToHex(new Uint8Array(await stream.digest))
  })

/** The body as a stream of the stated length. One that breaks off fails the stream, and with it the write that reads it. */
const streamOf = (request: Request, bytes: number): ReadableStream => {
  const { readable, writable } = new FixedLengthStream(bytes)
  void (request.body ?? new Response("").body)?.pipeTo(writable).catch(() => {})
  return readable
}

/** A body of at most so many bytes that is a part of something: its stated length, and its stream for whoever wants it. */
export const receivePart = Effect.fnUntraced(function* (limitBytes: number) {
  const request = yield* webRequest
  yield* checkMedia(request, ["application/octet-stream", "*/*"])
  const bytes = yield* lengthOf(request, limitBytes)
  return { bytes, stream: () => streamOf(request, bytes) }
})

/** Stores the body under its digest. Bytes that are there already are not stored again, and must be the same. */
export const receiveBlob = Effect.fnUntraced(function* (digest: string) {
  const blobs = yield* Blobs
  const request = yield* webRequest
  yield* checkMedia(request, ["application/octet-stream", "*/*"])
  const bytes = yield* lengthOf(request, LIMITS.modelFileBytes)
  yield* blobs.claim(digest)
  const stored = yield* blobs.size(digest)
  if (stored !== undefined) {
    if ((yield* digestOf(request)) !== digest) return yield* mismatch(digest)
    return { digest, bytes: stored, created: false }
  }
  yield* blobs.putStream(digest, streamOf(request, bytes))
  return { digest, bytes, created: true }
})

/** The one range that a Range header asks for; undefined where it asks for the whole, or for what only a whole answers. */
const rangeOf = (header: string | null, bytes: number): ByteRange | "none" | undefined => {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? []
  if (first === "" && last === "") return undefined
  const offset = first === "" ? Math.max(0, bytes - Number(last)) : Number(first)
  const end = first === "" || last === "" ? bytes : Math.min(bytes, Number(last) + 1)
  return offset < end ? { offset, length: end - offset } : "none"
}

/** The blob, or the range of it that is asked for, as a streamed response. */
export const sendBlob = Effect.fnUntraced(function* (digest: string) {
  const blobs = yield* Blobs
  const request = yield* webRequest
  const bytes = yield* blobs.size(digest)
  const noBlob = new NotFound({
    resource: "blob",
    detail: `There is no blob ${digest}; upload it with PUT /v1/blobs/${digest}.`,
  })
  if (bytes === undefined) return yield* noBlob
  const range = rangeOf(request.headers.get("range"), bytes)
  if (range === "none")
    return yield* new RangeNotSatisfiable({
      bytes,
      detail: `The file has ${bytes} bytes; ask for a range that begins before its end, or for the whole.`,
    })
  const blob = yield* blobs.get(digest, range)
  if (blob === undefined) return yield* noBlob
  const { offset, length } = range ?? { offset: 0, length: bytes }
  const headers = {
    "content-type": "application/octet-stream",
    "content-length": String(length),
    "accept-ranges": "bytes",
    ...(range === undefined ? {} : { "content-range": `bytes ${offset}-${offset + length - 1}/${bytes}` }),
    "cache-control": "private, max-age=31536000, immutable",
    etag: `"${digest}"`,
  }
  // Handed on as it is: the platform then moves the bytes itself. Through a stream of ours they would go in pieces of 4 KiB.
  const status = range === undefined ? 200 : 206
  return HttpServerResponse.raw(new Response(blob.body, { status, headers }), { status })
})
