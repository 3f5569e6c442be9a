// Argilla v2: response events, signed by Standard Webhooks with a defect of its own.
import { Result } from "effect"
import { readArgillaEvent } from "#shared/judgement/sources/argilla.ts"
import { timeOf } from "#shared/judgement/time-of.ts"
import { parseForeignJson } from "../http/strict-json.ts"
import { TOLERANCE_SECONDS, verifyStandardWebhook } from "../signatures/standard-webhooks.ts"
import type { Connector } from "./Connector.ts"

/** How long a delivery may wait in Argilla's queue. */
export const OLDEST_EVENT_SECONDS = 24 * 3600

/**
 * Argilla signs with the event's time cut to whole seconds, but sends the time of sending in the header; the two differ
 * whenever a delivery waited. The header, which must still be within the tolerance, is then not signed: whoever has seen a delivery
 * could send it again for ever. So the event's own time, which is signed, must be recent too, and for that long what was
 * taken is remembered.
 */
const eventTimes = (rawBody: Uint8Array, nowMs: number) => (): readonly number[] => {
  const parsed = parseForeignJson(rawBody)
  const event = Result.isSuccess(parsed) ? (parsed.success.value as { readonly timestamp?: unknown } | null) : null
  const time = typeof event?.timestamp === "string" ? timeOf(event.timestamp) : Number.NaN
  const ageSeconds = (nowMs - time) / 1000
  return ageSeconds <= OLDEST_EVENT_SECONDS && ageSeconds >= -TOLERANCE_SECONDS ? [Math.floor(time / 1000)] : []
}

export const argilla: Connector = {
  source: "argilla",
  verify: (delivery, secrets) => verifyStandardWebhook(delivery, secrets, eventTimes(delivery.rawBody, delivery.nowMs)),
  isRemembered: true,
  read: readArgillaEvent,
}
