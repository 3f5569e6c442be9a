// Held-out rows whose prompt is trained on too, in whatever form, or nearly: found as the split and the gates find them, by the
// canonical form of what the model reads and by MinHash over its token ids.
import { nearTrainedPrompts } from "#shared/wire/near-duplicates.ts"
import type { CanonicalPrompt, PromptRow } from "./held-out-split.ts"

export interface HeldOutLeak {
  /** Index of the held-out row. */
  readonly heldOut: number
  /** Index of the first training row with that prompt, or with one near to it. */
  readonly train: number
  /** `same`: the same canonical form; `near`: another that nearly repeats it. */
  readonly prompt: "same" | "near"
}

/** At most one leak a held-out row, in their order. Both lists were read by the configuration of `canonical`. */
export function heldOutLeaks(
  train: readonly PromptRow[],
  heldOut: readonly PromptRow[],
  canonical: CanonicalPrompt,
): readonly HeldOutLeak[] {
  if (heldOut.length === 0) return []
  const same = samePrompts(train.map(canonical), heldOut.map(canonical))
  const isRepeated = new Set(same.map((leak) => leak.heldOut))
  const others = [...heldOut.keys()].filter((index) => !isRepeated.has(index))
  const near = nearTrainedPrompts(
    train.map(({ promptIds }) => promptIds),
    others.map((index) => heldOut[index]!.promptIds),
  ).flatMap((trained, at): readonly HeldOutLeak[] =>
    trained === undefined ? [] : [{ heldOut: others[at]!, train: trained, prompt: "near" }],
  )
  return [...same, ...near].sort((a, b) => a.heldOut - b.heldOut)
}

/** Of prompts in their canonical form. */
export function samePrompts(train: readonly string[], heldOut: readonly string[]): readonly HeldOutLeak[] {
  const firstOf = new Map<string, number>()
  for (const [index, prompt] of train.entries()) if (!firstOf.has(prompt)) firstOf.set(prompt, index)
  return heldOut.flatMap((prompt, index): readonly HeldOutLeak[] => {
    const found = firstOf.get(prompt)
    return found === undefined ? [] : [{ heldOut: index, train: found, prompt: "same" }]
  })
}
