// Who may ask: whoever has the key; without one, whoever reaches the address by its own name.
import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { ApiError } from "./api-error.ts"

const LOOPBACK = ["localhost", "127.0.0.1", "::1"]

export function isLoopback(host: string): boolean {
  return LOOPBACK.includes(host)
}

/** Errors: ApiError. */
export type AccessCheck = (request: IncomingMessage) => void

export function accessCheck({
  apiKey,
  host,
}: {
  readonly apiKey: string | undefined
  readonly host: string
}): AccessCheck {
  if (apiKey !== undefined) {
    const expected = sha256(apiKey)
    return ({ headers: { authorization = "" } }) => {
      const [, given = ""] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
      if (timingSafeEqual(sha256(given), expected)) return
      throw new ApiError("invalid_api_key", "send the server's key: authorization: Bearer KEY")
    }
  }
  if (!isLoopback(host)) return () => undefined
  // A page whose name was made to lead to this machine would otherwise read the answers.
  return ({ headers: { host: asked = "" } }) => {
    if (isLoopback(asked.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1"))) return
    throw new ApiError("host_not_allowed", `a server without a key answers to ${LOOPBACK.join(", ")} only; give it one`)
  }
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest()
}
