// Request bodies as bytes, counted while they are read: no more than the limit is ever held.
import { Effect } from "effect"
import { HttpServerRequest } from "effect/http"
import { BodyTooLarge, UnsupportedMedia } from "#shared/api/problems.ts"

/** The platform's request behind Effect's. */
export const webRequest = Effect.map(HttpServerRequest.HttpServerRequest, ({ source }) => source as Request)

export const tooLarge = (limitBytes: number, mend = "send less in one request") =>
  new BodyTooLarge({ limitBytes, detail: `The body is larger than ${limitBytes} bytes; ${mend}.` })

const mediaTypeOf = (request: Request): string | undefined =>
  request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase()

/** Refuses compressed bodies (they are not unpacked here) and other media types than the named; none at all is taken as the first. */
export const checkMedia = (request: Request, accepted: readonly string[]): Effect.Effect<void, UnsupportedMedia> => {
  const encoding = request.headers.get("content-encoding")
  if (encoding !== null && encoding.toLowerCase() !== "identity")
    return Effect.fail(new UnsupportedMedia({ detail: "Send the body without Content-Encoding." }))
  const media = mediaTypeOf(request) ?? accepted[0]!
  return accepted.includes(media) || accepted.includes("*/*")
    ? Effect.void
    : Effect.fail(new UnsupportedMedia({ detail: `Send the body as ${accepted[0]}, not as ${media}.` }))
}

/** Refuses early where the stated length is over the limit. */
export const checkStatedLength = (request: Request, limitBytes: number): Effect.Effect<void, BodyTooLarge> =>
  Number(request.headers.get("content-length") ?? 0) > limitBytes ? Effect.fail(tooLarge(limitBytes)) : Effect.void

const join = (chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}

const PIECE_BYTES = 64 * 1024

/** A body in large pieces. Left to itself the platform gives 4 KiB at a time, and each waits for its turn in a busy process. */
export async function* piecesOf({ body }: Request): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = body?.getReader({ mode: "byob" })
  if (reader === undefined) return
  for (;;) {
    const { value, done } = await reader.readAtLeast(PIECE_BYTES, new Uint8Array(PIECE_BYTES))
    if (value !== undefined && value.length > 0) yield value
    if (done) return
  }
}

const collect = async (request: Request, limitBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> => {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of piecesOf(request)) {
    length += piece.length
    if (length > limitBytes) return undefined
    pieces.push(piece)
  }
  return join(pieces, length)
}

/** The whole body, if it is within the limit. */
export const readBody = Effect.fnUntraced(function* (request: Request, limitBytes: number) {
  yield* checkStatedLength(request, limitBytes)
  const bytes = yield* Effect.promise(() => collect(request, limitBytes))
  return bytes ?? (yield* tooLarge(limitBytes))
})
