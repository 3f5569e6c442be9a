// A reward model on the device: what its head makes of the last token of a conversation, f64 on the host over hidden states in f32, so that the same
// files say the same to the bit. Two conversations with one beginning are one row.
import type { RewardFolder } from "#gpu-runner/data/model/reward-folder.ts"
import { drawnMicroBatches } from "#gpu-runner/data/rows/micro-batches.ts"
import { mostPositions, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { closeContext, createContext, type OpContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { readback } from "#gpu-runner/device/transfer.ts"
import { hiddenDecoder } from "#gpu-runner/models/decoder.ts"
import { createDecoder, type Decoder } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import { atLastTokens, layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { scoringTokenBudget } from "../plan/scoring-budget.ts"
import { checkFits } from "./scorer.ts"

/** Of the two conversations of a row. */
export interface Rewards {
  readonly model: number
  readonly baseline: number
}

/** Why a pair has no rewards. */
export interface Unrewarded {
  readonly unscored: string
}

/**
 * Two conversations as a row: what both begin with, and the rest of each up to the last token that is no padding, whose hidden state is read. The reason
 * where that cannot be: one has more tokens than the model has positions, or they have no beginning in common.
 */
export function rewardRow(
  id: string,
  conversations: readonly [model: Uint32Array, baseline: Uint32Array],
  { model, padTokenId }: Pick<RewardFolder, "model" | "padTokenId">,
): TokenRow | Unrewarded {
  const [one, other] = conversations.map((ids) =>
    ids.slice(0, 1 + ids.findLastIndex((token) => token !== padTokenId)),
  ) as [Uint32Array, Uint32Array]
  if (Math.max(one.length, other.length) > model.config.maxPositions) return { unscored: "over-length" }
  // Each has a token of its own, whose state is read, though it be the same in both.
  const most = Math.min(one.length, other.length) - 1
  const parting = one.findIndex((token, index) => index >= most || token !== other[index])
  if (parting < 1) return { unscored: "no beginning in common" }
  const [chosenIds, rejectedIds] = [one.slice(parting), other.slice(parting)]
  return { id, promptIds: one.slice(0, parting), chosenIds, rejectedIds, weight: 1 }
}

/** The rewards of rows, in their order. Throws the signal's reason when it is aborted. Errors: ModelTooLarge. */
export async function rewardsOf(
  gpu: GpuDevice,
  { model, score }: Pick<RewardFolder, "model" | "score">,
  rows: readonly TokenRow[],
  {
    baseWeights,
    signal,
  }: { readonly baseWeights?: BaseWeights | undefined; readonly signal?: AbortSignal | undefined },
): Promise<Rewards[]> {
  if (rows.length === 0) return []
  checkFits(gpu, { model, baseWeights })
  const context = createContext(gpu, "tuned", { precision: "f32" })
  const decoder = createDecoder(context, model, { positionCount: mostPositions(rows), baseWeights })
  try {
    const rewards: Rewards[] = []
    for (const group of drawnMicroBatches(rows, scoringTokenBudget(model.config, gpu))) {
      signal?.throwIfAborted()
      rewards.push(...(await rewardsOfBatch(context, decoder, group, score)))
    }
    return rewards
  } finally {
    decoder.release()
    closeContext(context)
  }
}

/** score · hidden of the last tokens of a micro-batch, where `score` is [C]. */
export async function rewardsOfBatch(
  context: OpContext,
  decoder: Decoder,
  rows: readonly TokenRow[],
  score: Float32Array,
): Promise<Rewards[]> {
  const scope = context.memory.openScope()
  try {
    const batch = uploadBatch(context, decoder, atLastTokens(layOutRows(rows)), { backward: false })
    const [hidden] = await readback(context, [hiddenDecoder(context, decoder, batch)])
    const rewardAt = (place: number) => {
      const state = hidden!.subarray(place * score.length, (place + 1) * score.length)
      return score.reduce((sum, weight, channel) => sum + weight * state[channel]!, 0)
    }
    return rows.map((_, index) => ({ model: rewardAt(2 * index), baseline: rewardAt(2 * index + 1) }))
  } finally {
    scope.close()
  }
}
