// Argilla v2: response events, signed by Standard Webhooks with a defect of its own.
import { Result } from "effect"
import { readArgillaEvent, utc } from "#shared/judgement/sources/argilla.ts"
import { parseStrictJson } from "../http/strict-json.ts"
import { verifyStandardWebhook } from "../signatures/standard-webhooks.ts"
import type { Connector } from "./Connector.ts"

/**
 * Argilla signs with the event's time cut to whole seconds, but sends the time of sending in the header; the two differ
 * whenever a delivery waited. The header must still be within the tolerance.
 */
const eventTimes = (rawBody: Uint8Array) => (): readonly number[] => {
  const parsed = parseStrictJson(rawBody)
  const event = Result.isSuccess(parsed) ? (parsed.success.value as { readonly timestamp?: unknown } | null) : null
  const time = typeof event?.timestamp === "string" ? Date.parse(utc(event.timestamp)) : Number.NaN
  return Number.isNaN(time) ? [] : [Math.floor(time / 1000)]
}

export const argilla: Connector = {
  source: "argilla",
  verify: (delivery, secrets) => verifyStandardWebhook(delivery, secrets, eventTimes(delivery.rawBody)),
  read: readArgillaEvent,
}
