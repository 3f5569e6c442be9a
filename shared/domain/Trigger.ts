// Whether a dataset's runs start by themselves, and why none does now.
import { Schema } from "effect"
import { Count, TimeMs } from "./bounds.ts"

export const AutomaticRuns = Schema.Struct({
  /**
   * `off`: the dataset has no threshold. `waiting`: for pairs. `quiet`: there are enough, and one starts at `startsAt` if no more come
   * until then. `due`: one starts when the scorer next looks, within a minute. `running`: a run is under way. `pausing`: a failed run is
   * repeated at `repeatAt`. `stopped`: it failed too often.
   */
  state: Schema.Literals(["off", "waiting", "quiet", "due", "running", "pausing", "stopped"]),
  /** The state in a sentence, with its numbers. */
  reason: Schema.String,
  threshold: Schema.optionalKey(Count),
  /** Ready pairs that the last run did not see. */
  newPairs: Count,
  trainPairs: Count,
  heldOutPairs: Count,
  lastRunId: Schema.optionalKey(Schema.String),
  /** Automatic runs that failed one after the other, up to now. */
  failures: Count,
  repeatAt: Schema.optionalKey(TimeMs),
  /** When a run starts that waits for quiet; later, if pairs come meanwhile. */
  startsAt: Schema.optionalKey(TimeMs),
  /** Why the last try to start one broke, where it did; it is tried again within a minute. */
  fault: Schema.optionalKey(Schema.String),
}).annotate({ identifier: "AutomaticRuns" })
export type AutomaticRuns = typeof AutomaticRuns.Type
