// Signs deliveries the way the labelling tools do, defects included.
import { createHmac } from "node:crypto"

const secretBytes = (secret: string): Buffer => Buffer.from(secret.replace(/^whsec_/, ""), "base64")

const signature = (secret: string, id: string, timestampSeconds: number, body: string): string =>
  `v1,${createHmac("sha256", secretBytes(secret)).update(`${id}.${timestampSeconds}.${body}`).digest("base64")}`

/** Standard Webhooks headers. `signedAtSeconds` differs from the header's time where the sender has Argilla's defect. */
export const standardWebhookHeaders = (
  secret: string,
  id: string,
  body: string,
  sentAtSeconds: number,
  signedAtSeconds = sentAtSeconds,
): Record<string, string> => ({
  "webhook-id": id,
  "webhook-timestamp": String(sentAtSeconds),
  "webhook-signature": signature(secret, id, signedAtSeconds, body),
})

/** Argilla signs with the event's time, cut to seconds, but sends the delivery's time in the header. */
export const argillaHeaders = (
  secret: string,
  id: string,
  body: string,
  eventTimestamp: string,
): Record<string, string> =>
  standardWebhookHeaders(secret, id, body, Math.floor(Date.now() / 1000), Math.floor(Date.parse(eventTimestamp) / 1000))
