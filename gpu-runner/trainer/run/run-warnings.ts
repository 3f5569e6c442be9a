// What is legal in a run and hardly wanted: one line each, said without stopping anything.
import { learningRateAt } from "#gpu-runner/optimiser/schedule.ts"
import { areNegligible } from "#shared/methods/wpo.ts"
import type { ResolvedConfig } from "./run-inputs.ts"
import type { RunState } from "./run-state.ts"

/** Below this travel times width a fresh adapter's held-out accuracy did not move on the demo's model (docs/options.md). */
const LEAST_TRAVEL_TIMES_WIDTH = 1.2

/**
 * A run whose steps add up to too little: Adam moves a weight by at most about the rate a step, whatever the gradient. Undefined where the
 * rates of all steps together may do. `hiddenSize` is given where a fresh adapter starts from zero.
 */
export function travelWarning(config: ResolvedConfig, stepCount: number, hiddenSize?: number): string | undefined {
  let travel = 0
  for (let step = 0; step < stepCount; step++) travel += learningRateAt({ ...config, stepCount }, step)
  const steps = stepCount === 1 ? "the run's one step has" : `all ${stepCount} steps of the run have`
  if (travel === 0)
    return `${steps} the rate 0 that a warm-up begins with: nothing will be learnt; set warmupRatio to 0, or train longer`
  if (hiddenSize === undefined || travel * hiddenSize >= LEAST_TRAVEL_TIMES_WIDTH) return undefined
  const factor = LEAST_TRAVEL_TIMES_WIDTH / (travel * hiddenSize)
  return (
    `${stepCount} ${stepCount === 1 ? "step" : "steps"} at a rate of up to ${config.learningRate} move no weight by more than ${travel.toExponential(1)}, ` +
    `which changes next to nothing; train about ${Math.ceil(factor)} times as long, or raise learningRate (leave it out for one that fits the model)`
  )
}

/** KTO's mismatched completions, where some answer their own row's prompt; undefined where none does. */
export function matchedWarning(method: string, matched: number, rows: number): string | undefined {
  if (matched === 0) return undefined
  const which = matched === rows ? "no row has a" : `${matched} of ${rows} rows have no`
  return (
    `${which} completion of another prompt to estimate ${method}'s KL with, and takes one of its own prompt: the estimate is that of wanted ` +
    "and unwanted answers; add rows of other prompts, or choose a method that compares pairs"
  )
}

/** After an evaluation beyond the budget of drift that has lowered the rate. */
export function loweredWarning(
  { klBudget }: ResolvedConfig,
  { step, rateShare }: Pick<RunState, "step" | "rateShare">,
  { driftPerToken }: { readonly driftPerToken?: number | undefined },
): string {
  return (
    `after step ${step} the policy is ${driftPerToken?.toPrecision(3)} nats per held-out token from its reference, over the klBudget of ` +
    `${klBudget}: later steps take ${rateShare} of the schedule's rate`
  )
}

/** WPO's weights, where all of a step are next to nothing: the data are unlike anything that the policy would say. */
export function weightsWarning(weights: readonly number[], step: number): string | undefined {
  if (weights.length === 0 || !areNegligible(weights)) return undefined
  return (
    `the weights of all ${weights.length} pairs of step ${step} round to 0 (at most ${Math.max(...weights).toExponential(1)}): the policy would ` +
    "say none of these answers, and learns next to nothing; leave useWeighting out, or train sft on them first"
  )
}
