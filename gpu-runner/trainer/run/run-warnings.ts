// What is legal in a run and hardly wanted: one line each, said without stopping anything.
import { areNegligible } from "#shared/methods/wpo.ts"

/** KTO's mismatched completions, where some answer their own row's prompt; undefined where none does. */
export function matchedWarning(method: string, matched: number, rows: number): string | undefined {
  if (matched === 0) return undefined
  const which = matched === rows ? "no row has" : `${matched} of ${rows} rows have no`
  return (
    `${which} a completion of another prompt to estimate ${method}'s KL with, and takes one of its own prompt: the estimate is that of wanted ` +
    "and unwanted answers; add rows of other prompts, or choose a method that compares pairs"
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
