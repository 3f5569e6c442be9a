// What a configuration asks of a run's length that the run does not have: said before the first step.
import { warmupSteps } from "#gpu-runner/optimiser/schedule.ts"
import { tooManySteps } from "#shared/domain/RunLimits.ts"
import { UnusableConfig } from "../errors.ts"
import { type StepOrder, stepSizes } from "../rows/step-order.ts"
import type { ResolvedConfig } from "./run-inputs.ts"

/** Errors: UnusableConfig when the schedule is longer than the run. */
export function checkScheduleFits(config: ResolvedConfig, stepCount: number): void {
  const { schedule, decaySteps = 0, warmupSteps: warmup = warmupSteps(config.warmupRatio, stepCount) } = config
  if (warmup + decaySteps <= stepCount) return
  throw new UnusableConfig(
    `schedule ${schedule} has ${warmup} warm-up and ${decaySteps} decay steps, but the run has ${stepCount} steps; shorten them, or train longer`,
  )
}

/** Errors: UnusableConfig when the run has more steps than it may take. */
export function checkStepLimit(mostSteps: number | undefined, stepCount: number): void {
  if (mostSteps !== undefined && stepCount > mostSteps) throw new UnusableConfig(tooManySteps(stepCount, mostSteps))
}

/** A pair alone has no deviation: better said now than in an epoch's last step. Errors: UnusableConfig. */
export function checkOfficialGroups(
  { statistics, alpha, officialGroupPairs = 8 }: ResolvedConfig,
  order: StepOrder,
): void {
  const isRead = statistics === "official" && alpha !== 0
  const size = isRead ? stepSizes(order).find((rows) => rows % officialGroupPairs === 1) : undefined
  if (size === undefined) return
  throw new UnusableConfig(
    `statistics "official" would normalise a single pair: a step of ${size} pairs in groups of ${officialGroupPairs} leaves one over; change batch or officialGroupPairs`,
  )
}
