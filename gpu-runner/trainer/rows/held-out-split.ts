// Splits data into training and held-out rows by prompt, so that no prompt stands on both sides. The split depends on the prompts alone:
// neither seed nor order of the rows nor anything else of a run moves it, so runs on the same data stay comparable.
import { promptDigest, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { UnusableConfig } from "../errors.ts"

export interface SplitRows {
  readonly train: readonly TokenRow[]
  readonly heldOut: readonly TokenRow[]
}

/**
 * Holds out whole prompts, in the order of their ids' SHA-256, until at least `share` of the rows is held out; the rows keep their order.
 * Errors: UnusableConfig where one side would stay empty.
 */
export function splitByPrompt(rows: readonly TokenRow[], share: number): SplitRows {
  const digests = rows.map(promptDigest)
  const counts = new Map<string, number>()
  for (const digest of digests) counts.set(digest, (counts.get(digest) ?? 0) + 1)
  const held = new Set<string>()
  let heldRows = 0
  for (const digest of [...counts.keys()].sort()) {
    if (heldRows >= share * rows.length) break
    held.add(digest)
    heldRows += counts.get(digest)!
  }
  if (heldRows === rows.length) {
    throw new UnusableConfig(
      `heldOutShare ${share} leaves nothing to train on: the data has ${counts.size} prompts; lower it, or give --held-out`,
    )
  }
  const side = (isHeld: boolean) => rows.filter((_, index) => held.has(digests[index]!) === isHeld)
  return { train: side(false), heldOut: side(true) }
}
