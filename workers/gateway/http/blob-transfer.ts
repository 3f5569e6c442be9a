// Blobs over HTTP: streamed both ways, their digest verified on the way in.
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { LengthRequired, NotFound } from "#shared/api/problems.ts"
import { bytesToHex } from "#shared/formats/digest.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { Blobs, mismatch } from "../storage/Blobs.ts"
import { checkMedia, checkStatedLength, webRequest } from "./bodies.ts"

const lengthOf = Effect.fnUntraced(function* (request: Request) {
  const stated = request.headers.get("content-length")
  if (stated === null || !/^\d{1,15}$/.test(stated))
    return yield* new LengthRequired({ detail: "Send a Content-Length: an upload is streamed to its store." })
  yield* checkStatedLength(request, LIMITS.modelFileBytes)
  return Number(stated)
})

/** The digest of a body that is read to its end and forgotten: an answer before that would break the connection of some clients. */
const digestOf = (request: Request) =>
  Effect.promise(async () => {
    const stream = new crypto.DigestStream("SHA-256")
    await (request.body ?? new Response("").body)?.pipeTo(stream)
    return bytesToHex(new Uint8Array(await stream.digest))
  })

/** Stores the body under its digest. Bytes that are there already are not stored again, and must be the same. */
export const receiveBlob = Effect.fnUntraced(function* (digest: string) {
  const blobs = yield* Blobs
  const request = yield* webRequest
  yield* checkMedia(request, ["application/octet-stream", "*/*"])
  const bytes = yield* lengthOf(request)
  const stored = yield* blobs.size(digest)
  if (stored !== undefined) {
    if ((yield* digestOf(request)) !== digest) return yield* mismatch(digest)
    return { digest, bytes: stored, created: false }
  }
  const { readable, writable } = new FixedLengthStream(bytes)
  // A body that breaks off fails the stream, and with it the store's write below.
  void (request.body ?? new Response("").body)?.pipeTo(writable).catch(() => {})
  yield* blobs.putStream(digest, readable)
  return { digest, bytes, created: true }
})

/** The blob as a streamed response. */
export const sendBlob = Effect.fnUntraced(function* (digest: string) {
  const blobs = yield* Blobs
  const blob = yield* blobs.get(digest)
  if (blob === undefined)
    return yield* new NotFound({
      resource: "blob",
      detail: `There is no blob ${digest}; upload it with PUT /v1/blobs/${digest}.`,
    })
  const headers = {
    "content-type": "application/octet-stream",
    "content-length": String(blob.size),
    "cache-control": "private, max-age=31536000, immutable",
    etag: `"${digest}"`,
  }
  // Handed on as it is: the platform then moves the bytes itself. Through a stream of ours they would go in pieces of 4 KiB.
  return HttpServerResponse.raw(new Response(blob.body, { headers }))
})
