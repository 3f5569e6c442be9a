// A signed request to start a run, for whatever wants to: a scheduler, a labelling tool's automation, another system.
import { Schema } from "effect"
import { NewRun } from "#shared/api/runs.ts"
import type { SignedDelivery } from "../signatures/standard-webhooks.ts"
import { verifyStandardWebhook } from "../signatures/standard-webhooks.ts"
import { decodePart } from "./Connector.ts"

/** `type` is the sender's business; what is in `data` overrides the dataset's training options. */
const Request = Schema.Struct({ data: Schema.optionalKey(NewRun) })

export const retrain = {
  verify: (delivery: SignedDelivery, secrets: readonly string[]) => verifyStandardWebhook(delivery, secrets),
  read: (json: unknown) => decodePart(Request, json),
}
