// The body of a request, up to a bound. What is sent beyond it is read and thrown away, so that the client hears why.
import type { IncomingMessage } from "node:http"
import { ApiError } from "./api-error.ts"

export const MOST_BODY_BYTES = 4 * 2 ** 20

/** Errors: ApiError. */
export async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const { "content-type": type = "", "content-encoding": encoding = "identity" } = request.headers
  // A page of another site can have a browser send anything but this without asking first.
  if (type.split(";")[0]!.trim().toLowerCase() !== "application/json") {
    request.resume()
    throw new ApiError("unsupported_media_type", "send JSON, with the header content-type: application/json")
  }
  if (encoding !== "identity") {
    request.resume()
    throw new ApiError("unsupported_media_type", `send the body as it is, not with content-encoding ${encoding}`)
  }
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes <= MOST_BODY_BYTES) pieces.push(piece)
    else pieces.length = 0
  }
  if (bytes <= MOST_BODY_BYTES) return Buffer.concat(pieces)
  throw new ApiError("request_too_large", `the body has ${bytes} bytes, and at most ${MOST_BODY_BYTES} are taken`)
}
