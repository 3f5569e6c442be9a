// What is legal in a run and hardly wanted: said in one line each, without stopping anything.
import { promptDigest, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"

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
