// Splits data into training and held-out rows by prompt, so that no prompt stands on both sides, in whatever form. The split depends on
// the prompts alone: neither seed nor order of the rows nor anything else of a run moves it, so runs on the same data stay comparable.
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { promptDigest, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { canonicalPrompts } from "#shared/wire/pair-identity.ts"
import { UnusableConfig } from "../errors.ts"

export interface SplitRows {
  readonly train: readonly TokenRow[]
  readonly heldOut: readonly TokenRow[]
}

export type PromptRow = Pick<TokenRow, "promptIds">

/** The canonical form of a row's prompt: the same for a text, a conversation of it alone, and their variants. */
export type CanonicalPrompt = (row: PromptRow) => string

/** Canonical forms of rows that were read by this configuration; each prompt is decoded once. */
export function canonicalPromptOfRows(
  { tokenisation }: Pick<ModelFolder, "tokenisation">,
  policy: Pick<TrainConfig, "chatTemplateOptions" | "responseIncludesHeader">,
): CanonicalPrompt {
  const canonical = canonicalPrompts(tokenisation, { policy })
  const known = new Map<string, string>()
  return (row) => {
    const digest = promptDigest(row)
    const found = known.get(digest) ?? canonical(row.promptIds)
    known.set(digest, found)
    return found
  }
}

/**
 * Holds out whole prompts until at least `share` of the rows is held out; the rows keep their order. Prompts of one canonical form are
 * one, and come in the order of their ids' SHA-256, the least of them where the form is one of several ids.
 * Errors: UnusableConfig where one side would stay empty.
 */
export function splitByPrompt(rows: readonly TokenRow[], share: number, canonical: CanonicalPrompt): SplitRows {
  const prompts = rows.map(canonical)
  const groups = new Map<string, { readonly prompt: string; readonly digests: string[] }>()
  rows.forEach((row, index) => {
    const prompt = prompts[index]!
    const group = groups.get(prompt) ?? { prompt, digests: [] }
    group.digests.push(promptDigest(row))
    groups.set(prompt, group)
  })
  const inOrder = [...groups.values()]
    .map(({ prompt, digests }) => ({ prompt, first: digests.toSorted()[0]!, rows: digests.length }))
    .sort((a, b) => (a.first < b.first ? -1 : 1))
  const held = new Set<string>()
  let heldRows = 0
  for (const group of inOrder) {
    if (heldRows >= share * rows.length) break
    held.add(group.prompt)
    heldRows += group.rows
  }
  if (heldRows === rows.length) {
    throw new UnusableConfig(
      `heldOutShare ${share} leaves nothing to train on: the data has ${groups.size} prompts; lower it, or give --held-out`,
    )
  }
  const side = (isHeld: boolean) => rows.filter((_, index) => held.has(prompts[index]!) === isHeld)
  return { train: side(false), heldOut: side(true) }
}
