// A signed request to start a run, for whatever wants to: a scheduler, a labelling tool's automation, another system.
import { Effect, Schema } from "effect"
import { UnusableDelivery } from "#shared/api/problems.ts"
import { NewRun } from "#shared/api/runs.ts"
import type { SignedDelivery } from "../signatures/standard-webhooks.ts"
import { verifyStandardWebhook } from "../signatures/standard-webhooks.ts"
import { decodePart } from "./Connector.ts"

/** `type` and `timestamp` are the sender's business; `data` may override the dataset's training options. */
const Request = Schema.Record(Schema.String, Schema.Unknown)

/** What is meant for `data` must not be left out silently because it stands beside it. */
const refuseMisplaced = (request: typeof Request.Type) => {
  const misplaced = Object.keys(NewRun.fields).find((name) => Object.hasOwn(request, name))
  return misplaced === undefined
    ? Effect.succeed(request.data ?? {})
    : Effect.fail(
        new UnusableDelivery({
          detail: `\`${misplaced}\` stands beside \`data\`, where nothing is read; put it into \`data\`.`,
        }),
      )
}

export const retrain = {
  verify: (delivery: SignedDelivery, secrets: readonly string[]) => verifyStandardWebhook(delivery, secrets),
  /** An option that is not understood must not be left out silently, so the overrides are read strictly. */
  read: (json: unknown) =>
    decodePart(Request, json).pipe(
      Effect.flatMap(refuseMisplaced),
      Effect.flatMap((data) => decodePart(NewRun, data, true)),
    ),
}
