// The one way in for judgements, whatever brought them: plan, commit in one transaction, wake the relay. After that nothing
// can lose them.
import { Effect } from "effect"
import type { Comparison, Source } from "#shared/judgement/Comparison.ts"
import { Relay } from "./outbox/Relay.ts"
import { Comparisons, type Plan } from "./storage/Comparisons.ts"
import type { AlreadyExists } from "./storage/Database.ts"

const ATTEMPTS = 5

/** Plans again when another request stored one of the comparisons meanwhile: then it has become a duplicate. */
export const storeComparisons = Effect.fnUntraced(function* <A, E>(
  datasetId: string,
  source: Source,
  comparisons: readonly Comparison[],
  commit: (plan: Plan) => Effect.Effect<A, E | AlreadyExists>,
) {
  const store = yield* Comparisons
  const relay = yield* Relay
  const attempt = Effect.flatMap(store.plan(datasetId, source, comparisons), commit)
  const committed = yield* attempt.pipe(
    Effect.retry({ times: ATTEMPTS, while: isRace }),
    Effect.catchIf(isRace, (error) => Effect.die(error)),
  )
  yield* relay.wake
  return committed
}, Effect.uninterruptible)

const isRace = (error: unknown): error is AlreadyExists =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "AlreadyExists"
