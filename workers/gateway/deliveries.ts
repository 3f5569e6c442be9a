// What becomes of an event of a labelling tool, once its sender is known: read, checked, stored in one transaction, and listed.
import { Clock, Effect, Result } from "effect"
import { InvalidComparison, UnusableDelivery } from "#shared/api/problems.ts"
import type { DeliveryAnswer } from "#shared/api/webhooks.ts"
import type { WebhookEndpoint } from "#shared/domain/WebhookEndpoint.ts"
import { argilla } from "./connectors/argilla.ts"
import { type Connector, normalise, type Refused } from "./connectors/Connector.ts"
import { labelStudio } from "./connectors/label-studio.ts"
import { storeComparisons } from "./ingest.ts"
import type { Fate } from "./storage/Comparisons.ts"
import { Database } from "./storage/Database.ts"
import { Deliveries, type Note } from "./storage/Deliveries.ts"
import { type Origin, retract } from "./storage/settle-comparisons.ts"

const CONNECTORS = { argilla, "label-studio": labelStudio } as const

/** The connector behind an endpoint; a request to train has none. */
export const connectorOf = ({ source }: WebhookEndpoint): Effect.Effect<Connector, UnusableDelivery> =>
  source === "retrain"
    ? Effect.fail(new UnusableDelivery({ detail: "This endpoint takes no judgements." }))
    : Effect.succeed(CONNECTORS[source])

const LATER = "something later was said of the same thing"

const ANSWERS = {
  accepted: { status: "accepted" },
  retracted: { status: "ignored", reason: "it was taken back in the tool after that" },
  superseded: { status: "ignored", reason: LATER },
  duplicate: { status: "duplicate" },
} as const satisfies Record<Fate, DeliveryAnswer>

interface Counted {
  readonly stored: number
  readonly live: number
}

const answerOfRetraction = ({ stored, live }: Counted): DeliveryAnswer => {
  if (stored === 0) return { status: "ignored", reason: "nothing of it is stored" }
  return live > 0 ? { status: "ignored", reason: LATER } : { status: "accepted", reason: "retracted" }
}

/** What cannot be used is still what is said now: what the annotation said before counts no more. Nor does what stands beside it taken back. */
const refuse = Effect.fnUntraced(function* (origin: Origin, { refusal, replaced, retractions }: Refused, now: number) {
  const over = [retractions, replaced].filter((some) => some.length > 0)
  if (over.length === 0) return yield* refusal
  const database = yield* Database
  const statements = over.flatMap((some) => retract(database.prepare, origin, some, now))
  const results = yield* Effect.orDie(database.batch(statements))
  const { stored, live } = results.at(-1)!.results[0] as unknown as Counted
  if (replaced.length === 0 || stored === 0 || live > 0) return yield* refusal
  const told = refusal.detail ?? ""
  const detail = `${/[.!?]$/.test(told) ? told : `${told}.`} What was said before of the same thing counts no more.`
  return yield* refusal._tag === "UnusableDelivery"
    ? new UnusableDelivery({ detail })
    : new InvalidComparison({ reason: refusal.reason, detail })
})

/** Does what an event says. `heardAtMs`: when it came in, where it says no time itself. */
export const take = Effect.fnUntraced(function* (endpoint: WebhookEndpoint, json: unknown, heardAtMs?: number) {
  const connector = yield* connectorOf(endpoint)
  const read = yield* normalise(connector, json, endpoint.mapping)
  const now = heardAtMs ?? (yield* Clock.currentTimeMillis)
  const origin: Origin = { datasetId: endpoint.datasetId, source: connector.source, endpointId: endpoint.id }
  if ("refusal" in read) return yield* refuse(origin, read, now)
  const { said, retractions, ignored } = read
  const database = yield* Database
  const taken = retractions.length === 0 ? [] : retract(database.prepare, origin, retractions, now)
  const { statuses, counted } = yield* storeComparisons(
    origin,
    said,
    (plan) => {
      const statements = [...plan.statements, ...taken]
      const written = statements.length === 0 ? Effect.succeed([]) : database.batch(statements)
      return Effect.map(written, (results) => ({ ...plan, counted: results.at(-1)?.results[0] as Counted | undefined }))
    },
    now,
  )
  const fate = (["accepted", "retracted", "superseded", "duplicate"] as const).find((each) => statuses.includes(each))
  if (fate !== undefined) return ANSWERS[fate]
  if (retractions.length > 0 && counted !== undefined) return answerOfRetraction(counted)
  return { status: "ignored" as const, reason: ignored ?? "it is empty" }
})

/** What was sent to an endpoint. */
export interface Sent {
  readonly endpoint: WebhookEndpoint
  readonly digest: string
  readonly body: Uint8Array
}

const noteOf = ({ endpoint, digest, body }: Sent, { status, reason }: DeliveryAnswer): Note => {
  const isTakenBack = status === "accepted" && reason === "retracted"
  return {
    ...{ endpointId: endpoint.id, digest, isGenuine: true },
    status: isTakenBack ? "retracted" : status,
    reason: isTakenBack ? undefined : reason,
    body: status === "ignored" ? body : undefined,
  }
}

const reasonOf = (error: { readonly _tag: string; readonly detail?: string | undefined }): string =>
  error.detail ?? error._tag

/** Lists what became of a delivery, whichever way it went. */
export const noted = Effect.fnUntraced(function* <E extends { readonly _tag: string }, R>(
  sent: Sent,
  taken: Effect.Effect<DeliveryAnswer, E, R>,
) {
  const deliveries = yield* Deliveries
  const outcome = yield* Effect.result(taken)
  const { endpoint, digest, body } = sent
  yield* deliveries.note(
    Result.isSuccess(outcome)
      ? noteOf(sent, outcome.success)
      : {
          endpointId: endpoint.id,
          digest,
          isGenuine: true,
          status: "refused",
          reason: reasonOf(outcome.failure),
          body,
        },
  )
  return yield* Effect.fromResult(outcome)
})
