// A signed request to start a run, for whatever wants to: a scheduler, a labelling tool's automation, another system.
import { Effect, Schema } from "effect"
import { NewRun } from "#shared/api/runs.ts"
import type { SignedDelivery } from "../signatures/standard-webhooks.ts"
import { verifyStandardWebhook } from "../signatures/standard-webhooks.ts"
import { decodePart } from "./Connector.ts"

/** `type` and `timestamp` are the sender's business; `data` may override the dataset's training options. */
const Request = Schema.Struct({ data: Schema.optionalKey(Schema.Unknown) })

export const retrain = {
  verify: (delivery: SignedDelivery, secrets: readonly string[]) => verifyStandardWebhook(delivery, secrets),
  /** An option that is not understood must not be left out silently, so the overrides are read strictly. */
  read: (json: unknown) => Effect.flatMap(decodePart(Request, json), ({ data = {} }) => decodePart(NewRun, data, true)),
}
