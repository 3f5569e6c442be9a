// Standard Webhooks, version 1 symmetric signatures: HMAC-SHA-256 over `id.timestamp.body`.
// Source: the specification at github.com/standard-webhooks/standard-webhooks; npm `standardwebhooks` is the tests' oracle.
import { Result } from "effect"
import { Base64 } from "effect/encoding"
import { secretBytes } from "./secrets.ts"

/** How far the sender's clock and ours may be apart, both ways. */
export const TOLERANCE_SECONDS = 300

export interface SignedDelivery {
  readonly headers: Headers
  readonly rawBody: Uint8Array
  readonly nowMs: number
}

interface Stamp {
  readonly id: string
  /** As it was sent: it is part of what was signed. */
  readonly timestamp: string
  readonly signatures: readonly Uint8Array<ArrayBuffer>[]
}

const utf8 = new TextEncoder()

/** The three headers; undefined when one is missing or malformed. An id with a dot could shift the signed text's parts. */
const stampOf = (headers: Headers): Stamp | undefined => {
  const id = headers.get("webhook-id")
  const timestamp = headers.get("webhook-timestamp")
  const signatures = (headers.get("webhook-signature") ?? "").split(" ").flatMap((entry) => {
    const decoded = entry.startsWith("v1,") ? Base64.decode(entry.slice(3)) : undefined
    return decoded !== undefined && Result.isSuccess(decoded) ? [new Uint8Array(decoded.success)] : []
  })
  const isUsable = id !== null && /^[^.]{1,255}$/.test(id) && timestamp !== null && /^\d{1,12}$/.test(timestamp)
  return isUsable && signatures.length > 0 ? { id, timestamp, signatures } : undefined
}

const isSigned = async (stamp: Stamp, rawBody: Uint8Array, signedAt: string, secret: string): Promise<boolean> => {
  const bytes = secretBytes(secret)
  if (bytes === undefined) return false
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"])
  const head = utf8.encode(`${stamp.id}.${signedAt}.`)
  const signed = new Uint8Array(head.length + rawBody.length)
  signed.set(head)
  signed.set(rawBody, head.length)
  // The platform's verify compares in constant time.
  const results = await Promise.all(
    stamp.signatures.map((signature) => crypto.subtle.verify("HMAC", key, signature, signed)),
  )
  return results.includes(true)
}

/**
 * Whether the delivery is signed by one of the secrets and no more than five minutes old or early. `signedAt` gives other
 * times (Unix seconds) that the signature may be over instead of the header's, for senders which sign another one.
 */
export const verifyStandardWebhook = async (
  { headers, rawBody, nowMs }: SignedDelivery,
  secrets: readonly string[],
  signedAt: () => readonly number[] = () => [],
): Promise<boolean> => {
  const stamp = stampOf(headers)
  if (stamp === undefined) return false
  if (Math.abs(nowMs / 1000 - Number(stamp.timestamp)) > TOLERANCE_SECONDS) return false
  const tryAll = async (time: string) =>
    (await Promise.all(secrets.map((secret) => isSigned(stamp, rawBody, time, secret)))).includes(true)
  if (await tryAll(stamp.timestamp)) return true
  for (const time of signedAt()) if (await tryAll(String(time))) return true
  return false
}
