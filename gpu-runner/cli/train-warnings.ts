// What is legal in a run and hardly wanted: said in one line each, without stopping anything.

import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { heldOutLeaks } from "#gpu-runner/trainer/rows/held-out-leaks.ts"
import type { CanonicalPrompt } from "#gpu-runner/trainer/rows/held-out-split.ts"

type Rows = readonly Pick<TokenRow, "promptIds">[]

/**
 * Held-out rows whose prompt is trained on too, in whatever form, or nearly: the accuracy then tells what was remembered. None where
 * there are none.
 */
export function repeatedPromptWarnings(train: Rows, heldOut: Rows, canonical: CanonicalPrompt): readonly string[] {
  const leaks = heldOutLeaks(train, heldOut, canonical)
  const shared = leaks.filter(({ prompt }) => prompt === "same").length
  const near = leaks.length - shared
  const mend = "hold out other prompts, or use heldOutShare, which splits by prompt"
  return [
    ...(shared === 0
      ? []
      : [
          `${shared} of ${heldOut.length} held-out rows have a prompt that is trained on too, so the accuracy flatters; ${mend}`,
        ]),
    ...(near === 0
      ? []
      : [
          `${near} of ${heldOut.length} held-out rows nearly repeat a prompt that is trained on, so the accuracy flatters`,
        ]),
  ]
}
