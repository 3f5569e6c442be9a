// How a look at whether a dataset's run is due is asked for: a time in the dataset's own row, so that it is as lasting as what it is asked for
// by. workers/orchestrator/runs/due-looks.ts makes the looks.

/** What is left for whoever looks if nobody can be told: so long after pairs came at the latest. */
export const UNTOLD_LOOK_MS = 60_000

/** Of datasets that a look can start a run of. */
export const STARTS_RUNS = "retrain_threshold IS NOT NULL AND deleted_at IS NULL"

/**
 * What an UPDATE of `datasets` sets to have one looked at by then. Whoever writes the time counts, so that a look that is being made knows
 * that it was asked for again, though the time be the same, and whatever the clocks say.
 */
export const askLook = (dueAt: string): string => `look_due_at = ${dueAt}, look_version = look_version + 1`
