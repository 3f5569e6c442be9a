// The one way in for judgements, whatever brought them: plan, commit in one transaction, wake the relay. After that nothing
// can lose them.
import { Effect } from "effect"
import { Relay } from "./outbox/Relay.ts"
import { Comparisons, type Plan, type Said } from "./storage/Comparisons.ts"
import type { AlreadyExists } from "./storage/Database.ts"
import type { Origin } from "./storage/settle-comparisons.ts"

const ATTEMPTS = 5

/** Where comparisons come from that are sent to the API itself. */
export const fromApi = (datasetId: string): Origin => ({ datasetId, source: "api", endpointId: "" })

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
