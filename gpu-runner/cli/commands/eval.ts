// `yohaku eval`: how often a model gives the chosen response the higher mean log-prob.
import { countReasons } from "#gpu-runner/data/rows/data-file.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { percent } from "#gpu-runner/trainer/quantities.ts"
import { evaluatePairs, scoredPair } from "#gpu-runner/trainer/results/evaluate.ts"
import { type ScoringInputs, scoreGroups } from "#gpu-runner/trainer/results/scorer.ts"
import type { ScoredPair } from "#shared/methods/accuracy.ts"
import { defineCommand } from "../command.ts"
import { createProgress } from "../progress.ts"
import { scoringInputsOf, scoringOptions } from "../scoring-inputs.ts"
import { withDevice } from "../with-device.ts"

export const command = defineCommand({
  name: "eval",
  summary: "Prints the pair accuracy of a model, and with an adapter also the base's.",
  details:
    "A pair counts as right when the chosen response has the higher mean log-prob per token: one rule for every training method.\n" +
    "The interval is Wilson's at 95 %. KL is an estimate of KL(base ‖ policy) on these responses, nats per token.",
  options: scoringOptions,
  run: async (values, terminal) => {
    const inputs = await scoringInputsOf(values, terminal)
    const { policy, base } = await withDevice(async (gpu) => {
      const scored = await scoreAll(gpu, inputs, inputs.adapter ? "policy" : "model")
      return {
        policy: scored,
        base: inputs.adapter ? await scoreAll(gpu, { ...inputs, adapter: undefined }, "base") : undefined,
      }
    })
    const result = evaluatePairs(policy, base)
    const baseResult = base && evaluatePairs(base)
    const dropped = countReasons(inputs.data.dropped)
    const line = ({ accuracy, low, high }: typeof result) =>
      `${percent(accuracy)} (95 % interval ${percent(low)} to ${percent(high)})`
    terminal.answer({ ...result, ...(baseResult ? { base: baseResult } : {}), dropped }, () =>
      [
        `accuracy ${line(result)} on ${result.pairs} pairs`,
        ...(baseResult ? [`base     ${line(baseResult)}; KL ${result.klPerToken!.toFixed(4)} nats per token`] : []),
      ].join("\n"),
    )
  },
})

async function scoreAll(gpu: GpuDevice, inputs: ScoringInputs, name: string): Promise<ScoredPair[]> {
  const progress = createProgress()
  const pairs: ScoredPair[] = []
  for await (const { scores } of scoreGroups(gpu, inputs, inputs.data.rows)) {
    pairs.push(...scores.map(scoredPair))
    progress.show(
      `${name}: scored ${pairs.length} of ${inputs.data.rows.length} pairs`,
      pairs.length === inputs.data.rows.length,
    )
  }
  return pairs
}
