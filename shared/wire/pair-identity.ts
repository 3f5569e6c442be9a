// What names a pair, and on which side of the split it stands: both are functions of what it says. The scorer writes them,
// gateway, orchestrator and runner read them.
import { Schema } from "effect"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"

/** Whether a pair is trained on or judged by. */
export const Split = Schema.Literals(["train", "held-out"])
export type Split = typeof Split.Type

/** Pairs whose prompt's digest falls below this share of the range are held out from training, in every run. */
const HELD_OUT_SHARE = 0.25
const RANGE_OF_32_BITS = 2 ** 32

/** Digest of what a pair says, whoever said it and however it is tokenised. Texts or messages. */
export const pairId = (
  datasetId: string,
  { prompt, chosen, rejected }: { readonly prompt: unknown; readonly chosen: unknown; readonly rejected: unknown },
): Promise<string> => sha256Hex(canonicalJson({ dataset: datasetId, prompt, chosen, rejected }))

/** Held out or not, by the prompt alone: all pairs of a prompt fall on the same side, in every run. */
export const splitOf = async (prompt: unknown): Promise<Split> => {
  const digest = await sha256Hex(canonicalJson(prompt))
  return Number.parseInt(digest.slice(0, 8), 16) / RANGE_OF_32_BITS < HELD_OUT_SHARE ? "held-out" : "train"
}
