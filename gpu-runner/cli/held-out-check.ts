// What `yohaku data check --held-out` says: which pairs to judge by have a prompt that is trained on too, or nearly. With a model by
// what it reads, with the code that a run splits and warns by; without one by the folded texts, where near ones are not looked for.
import type { CheckedData } from "#gpu-runner/data/rows/checked-data.ts"
import { foldedPrompt } from "#gpu-runner/data/rows/folded-prompt.ts"
import { heldOutLeaks, samePrompts } from "#gpu-runner/trainer/rows/held-out-leaks.ts"
import { canonicalPromptOfRows } from "#gpu-runner/trainer/rows/held-out-split.ts"
import { TRAIN_DATA_DEFAULTS } from "#shared/domain/TrainData.ts"
import type { Text } from "#shared/judgement/sources/record.ts"
import type { Tokenisation } from "#shared/tokenisation/tokenisation.ts"

export interface HeldOutCheck {
  readonly pairs: number
  /** Pairs whose prompt is trained on too. */
  readonly sharedPrompts: number
  /** Further pairs whose prompt nearly repeats one that is; undefined without a model. */
  readonly nearPrompts?: number | undefined
  /** Rows count from 1: `row` of the held-out file, `trainRow` of the other. A row of several pairs stands once. */
  readonly leaks: readonly { readonly row: number; readonly trainRow: number; readonly prompt: "same" | "near" }[]
}

export function checkHeldOut(data: CheckedData, { pairs }: CheckedData, tokenisation?: Tokenisation): HeldOutCheck {
  const trained = [...data.pairs, ...data.labelled, ...data.responses]
  const found =
    tokenisation === undefined
      ? samePrompts(trained.map(folded), pairs.map(folded))
      : heldOutLeaks(
          trained.map(promptIds),
          pairs.map(promptIds),
          canonicalPromptOfRows({ tokenisation }, TRAIN_DATA_DEFAULTS),
        )
  const sharedPrompts = found.filter(({ prompt }) => prompt === "same").length
  const leaks = new Map(
    found.map(({ heldOut, train, prompt }) => {
      const { row } = pairs[heldOut]!
      return [row, { row, trainRow: trained[train]!.row, prompt }]
    }),
  )
  return {
    pairs: pairs.length,
    sharedPrompts,
    ...(tokenisation === undefined ? {} : { nearPrompts: found.length - sharedPrompts }),
    leaks: [...leaks.values()],
  }
}

interface Prompted {
  readonly prompt: Text
  readonly tokens?: { readonly prompt: readonly number[] }
}

const promptIds = ({ tokens }: Prompted) => ({ promptIds: Uint32Array.from(tokens!.prompt) })

const folded = ({ prompt }: Prompted): string => foldedPrompt(prompt)
