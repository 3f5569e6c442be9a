// A sleep that outlives the process. Effect keeps sleeps of up to a minute in memory unless each call asks otherwise.
import type { Duration } from "effect"
import { DurableClock } from "effect/workflow"

/** Suspends the run; an alarm goes on with it in an event of its own, with fresh limits. */
export const durableSleep = (name: string, duration: Duration.Input) =>
  DurableClock.sleep({ name, duration, inMemoryThreshold: 0 })
