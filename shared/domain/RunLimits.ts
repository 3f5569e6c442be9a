// How long a run may take. Both limits have defaults, so that no run goes on for ever; a dataset may have its own, and a run too.
import { Schema } from "effect"
import { MOST_STEPS, numberAbove, wholeBetween } from "./config-numbers.ts"

export const RunLimits = Schema.Struct({
  /** Optimiser steps; one that would take more is refused before its first. */
  steps: Schema.optionalKey(wholeBetween(1, MOST_STEPS)),
  /** Hours from the moment a runner takes its first job until it is decided; at most 20 days. */
  hours: Schema.optionalKey(numberAbove(0, 480)),
})
export type RunLimits = typeof RunLimits.Type

/** What bounds a run: the defaults stand where nobody gave a limit. */
export type ResolvedRunLimits = Required<RunLimits>

/** Beyond these a run is rather a slip than a wish. */
export const DEFAULT_RUN_LIMITS: ResolvedRunLimits = { steps: 100_000, hours: 24 }

/** How long a job waits for a runner before its run is given up. */
export const MOST_WAITING_DAYS = 7

export const HOUR_MS = 3_600_000

/** Why a run of so many steps is not begun. */
export const tooManySteps = (steps: number, limit: number): string =>
  `it would take ${steps} optimiser steps and may take ${limit}; lower epochs or maxSteps, raise batch, or raise limits.steps (a dataset's runLimits), and start it again`

/** Why a run was ended after its hours. */
export const tooManyHours = (hours: number): string =>
  `it took longer than the ${hours} hours that it may; its runner keeps the last checkpoint. Lower epochs or maxSteps, or raise limits.hours (a dataset's runLimits), and start it again`
