// The one way in for judgements, whatever brought them: plan, commit in one transaction, wake the relay. After that nothing
// can lose them.
import { Clock, Effect } from "effect"
import type { Retract } from "#shared/api/comparisons.ts"
import { InvalidComparison } from "#shared/api/problems.ts"
import { findDateFault } from "#shared/judgement/comparison-faults.ts"
import { Relay } from "./outbox/Relay.ts"
import { Comparisons, type Plan, type Said } from "./storage/Comparisons.ts"
import { type AlreadyExists, Database } from "./storage/Database.ts"
import { countingBefore, type Origin, retract } from "./storage/settle-comparisons.ts"

const ATTEMPTS = 5

/** Where comparisons come from that are sent to the API itself. */
export const fromApi = (datasetId: string): Origin => ({ datasetId, source: "api", endpointId: "" })

/** Takes back what was said, of things that have no place in a tool. Errors: InvalidComparison for a time that cannot be. */
export const planRetraction = Effect.fnUntraced(function* (origin: Origin, given: Retract["retractions"]) {
  const database = yield* Database
  const now = yield* Clock.currentTimeMillis
  for (const [index, { at }] of given.entries()) {
    const fault = at === undefined ? undefined : findDateFault(at, now)
    if (fault === undefined) continue
    const detail = fault.detail.replace("labelledAt", `retractions.${index}.at`)
    return yield* new InvalidComparison({ ...fault, detail })
  }
  const retractions = given.map(({ externalId, at }) => ({ scope: "annotation" as const, externalId, at }))
  const counted = yield* database.first<{ readonly counting: number }>(...countingBefore(origin, retractions, now))
  return { retracted: counted?.counting ?? 0, statements: retract(database.prepare, origin, retractions, now) }
})

/** Plans again when another request stored one of the comparisons meanwhile: then it has become a duplicate. */
export const storeComparisons = Effect.fnUntraced(function* <A, E>(
  origin: Origin,
  said: readonly Said[],
  commit: (plan: Plan) => Effect.Effect<A, E | AlreadyExists>,
  heardAtMs?: number,
) {
  const store = yield* Comparisons
  const relay = yield* Relay
  const attempt = Effect.flatMap(store.plan(origin, said, heardAtMs), commit)
  const committed = yield* attempt.pipe(
    Effect.retry({ times: ATTEMPTS, while: isRace }),
    Effect.catchIf(isRace, (error) => Effect.die(error)),
  )
  yield* relay.wake
  return committed
}, Effect.uninterruptible)

const isRace = (error: unknown): error is AlreadyExists =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "AlreadyExists"
