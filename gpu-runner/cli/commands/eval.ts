// `yohaku eval`: how often a model gives the chosen response the higher mean log-prob.
import { countReasons } from "#gpu-runner/data/rows/data-file.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { percent } from "#gpu-runner/trainer/quantities.ts"
import { evaluatePairs, scoredPair } from "#gpu-runner/trainer/results/evaluate.ts"
import { type ScoringInputs, scoreGroups } from "#gpu-runner/trainer/results/scorer.ts"
import type { ScoredPair } from "#shared/methods/accuracy.ts"
import { answerInputsOf, answerOptions, answerReport, checkAnswerOptions, describeAnswers } from "../answer-report.ts"
import { defineCommand } from "../command.ts"
import { createProgress } from "../progress.ts"
import { scoringInputsOf, scoringOptions } from "../scoring-inputs.ts"
import { withDevice } from "../with-device.ts"

export const command = defineCommand({
  name: "eval",
  summary: "Prints the pair accuracy of a model, and with an adapter also the base's.",
  details:
    "A pair counts as right when the chosen response has the higher mean log-prob per token: one rule for every training method.\n" +
    "The interval is Wilson's at 95 %. KL is an estimate of KL(base ‖ policy) on these responses, nats per token.\n" +
    "With --prompts and --judge the model also answers a suite: its answers are held against the base's, or those of --against, by the reward\n" +
    "that the adapter --judge learnt, as POST /v1/models/{name}/evaluations does it.",
  options: { ...scoringOptions, ...answerOptions },
  run: async (values, terminal) => {
    checkAnswerOptions(values)
    const inputs = await scoringInputsOf(values, terminal)
    const asked = answerInputsOf(values, inputs)
    const { policy, base, answers } = await withDevice(async (gpu) => {
      const scored = await scoreAll(gpu, inputs, inputs.adapter ? "policy" : "model")
      return {
        policy: scored,
        base: inputs.adapter ? await scoreAll(gpu, { ...inputs, adapter: undefined }, "base") : undefined,
        answers: asked && (await answerReport(gpu, inputs, asked)),
      }
    })
    const result = evaluatePairs(policy, base)
    const baseResult = base && evaluatePairs(base)
    const dropped = countReasons(inputs.data.dropped)
    const line = ({ accuracy, low, high }: typeof result) =>
      `${percent(accuracy)} (95 % interval ${percent(low)} to ${percent(high)})`
    const shown = { ...result, ...(baseResult ? { base: baseResult } : {}), ...(answers ? { answers } : {}), dropped }
    terminal.answer(shown, () =>
      [
        `accuracy ${line(result)} on ${result.pairs} pairs`,
        ...(baseResult ? [`base     ${line(baseResult)}; KL ${result.klPerToken!.toFixed(4)} nats per token`] : []),
        ...(answers ? describeAnswers(answers) : []),
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
