// What is legal in a run and hardly wanted: said in one line each, without stopping anything.
import { promptDigest, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { TrainReport } from "#gpu-runner/trainer/results/artefacts.ts"

/** Held-out rows whose prompt is trained on too: the accuracy then tells what was remembered. Undefined where there are none. */
export function sharedPromptsWarning(
  train: readonly Pick<TokenRow, "promptIds">[],
  heldOut: readonly Pick<TokenRow, "promptIds">[],
): string | undefined {
  const trained = new Set(train.map(promptDigest))
  const shared = heldOut.filter((row) => trained.has(promptDigest(row))).length
  if (shared === 0) return undefined
  const mend = "hold out other prompts, or use heldOutShare, which splits by prompt"
  return `${shared} of ${heldOut.length} held-out rows have a prompt that is trained on too, so the accuracy flatters; ${mend}`
}

/** A run of one step under a warm-up, whose rate begins at 0. Undefined for any other. */
export function warmUpAloneWarning({
  steps,
  lastMetrics,
}: Pick<TrainReport, "steps" | "lastMetrics">): string | undefined {
  if (steps !== 1 || lastMetrics?.learning_rate !== 0) return undefined
  return "the run's one step has the rate 0 that a warm-up begins with: nothing was learnt; set warmupRatio to 0"
}
