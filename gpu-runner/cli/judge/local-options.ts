// Options of the judge on this machine, apart from it: what only counts verdicts need not load the GPU library.
import { betaOf } from "#shared/methods/options.ts"
import type { OptionValues } from "../command.ts"
import { baseWeightsOption, text } from "../options.ts"

export const localOptions = {
  "judge-model": text(
    "DIR",
    "in place of --judge: a reward model on this machine judges, or a model by its own log-probs; nobody is asked",
  ),
  "judge-adapter": text("DIR", "its adapter; the reward is then log π − log π of the model without it"),
  reward: text("KIND", "of the whole answer, sum (default with --judge-adapter), or by token, mean"),
  beta: text("BETA", `of the reward; ${betaOf.sum.default} of sums, ${betaOf.mean.default} of means`),
  "base-weights": baseWeightsOption,
} as const

export type LocalValues = OptionValues<typeof localOptions>
