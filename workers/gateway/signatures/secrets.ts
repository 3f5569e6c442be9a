// What a webhook secret must look like for each source.
import { Result } from "effect"
import { Base64 } from "effect/encoding"
import type { WebhookSource } from "#shared/domain/WebhookEndpoint.ts"

const PREFIX = "whsec_"
const FEWEST_BYTES = 16
const MOST_BYTES = 64
const FEWEST_CHARACTERS = 16

/** The key of a Standard Webhooks secret (`whsec_` and base64; the prefix may be left out), or undefined. */
export const secretBytes = (secret: string): Uint8Array<ArrayBuffer> | undefined => {
  const decoded = Base64.decode(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret)
  return Result.isSuccess(decoded) && decoded.success.length > 0 ? new Uint8Array(decoded.success) : undefined
}

/** Why a secret cannot be used for a source, and what to send instead; undefined when it can. */
export const faultOfSecret = (source: WebhookSource, secret: string): string | undefined => {
  if (source === "label-studio")
    return secret.length >= FEWEST_CHARACTERS && /^[\x21-\x7e]+$/.test(secret)
      ? undefined
      : `The secret is sent as a header: use at least ${FEWEST_CHARACTERS} visible ASCII characters, or leave it out to get one.`
  const bytes = secret.startsWith(PREFIX) ? secretBytes(secret)?.length : undefined
  return bytes !== undefined && bytes >= FEWEST_BYTES && bytes <= MOST_BYTES
    ? undefined
    : `Use ${PREFIX} and the base64 of ${FEWEST_BYTES} to ${MOST_BYTES} random bytes, or leave the secret out to get one.`
}
