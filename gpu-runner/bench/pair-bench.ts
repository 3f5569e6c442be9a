// Pairs a second of α-DPO, as this engine trains (prompts shared, reference from a cache, activations kept) against the same engine the
// stock way (two sequences a pair, a reference forward pass each step, checkpointing). Both take whole optimiser steps, in turn.
import { mostPositions } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { withoutAdapter } from "#gpu-runner/models/decoder-parameters.ts"
import type { PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { passWork, unsharedRows, type Work } from "./flops.ts"
import { repeatsOf, type Spread, spread, type Timing, timeInTurn } from "./rounds.ts"
import { stockStep } from "./stock-step.ts"
import { openSession, randomRows, type SessionRounds } from "./training-session.ts"

export interface PairSettings {
  readonly model: DecoderConfig
  readonly rank: number
  readonly baseWeights: BaseWeights
  readonly batch: number
  readonly promptLength: number
  /** Of each response. */
  readonly responseLength: number
}

export interface PairResult {
  /** `own`: as the trainer does it; `stock`: unshared, reference each step, checkpointed. */
  readonly name: "own" | "stock"
  readonly ms: Spread
  readonly cpuMs: Spread
  readonly pairsPerSecond: number
  /** Needed by a step of this way, by part. */
  readonly flops: Work
  readonly flopsPerSecond: number
}

export interface PairReport {
  /** Of the engine's own way. */
  readonly pairsPerSecond: number
  readonly results: readonly PairResult[]
  /** Stock time by own time, of each round. */
  readonly ratio: Spread
  readonly ratioByCpu: Spread
  /** Stock FLOPs by own FLOPs: what the ratio would be at equal speed. */
  readonly ratioOfFlops: number
  readonly memory: { readonly peakBytes: number; readonly reservedBytes: number }
}

/** Errors: NotEnoughMemory, those of createDecoder and of the device. */
export async function benchPair(
  context: OpContext,
  settings: PairSettings,
  options: SessionRounds,
): Promise<PairReport> {
  const { model, rank, baseWeights, batch, promptLength, responseLength } = settings
  const pair: PairLengths = { promptLength, chosenLength: responseLength, rejectedLength: responseLength }
  const lengths = Array.from({ length: batch }, () => pair)
  const rows = randomRows(model, lengths)
  const positionCount = mostPositions(rows)
  const session = openSession(context, {
    model,
    trains: "adapter",
    rank,
    baseWeights,
    method: "alpha-dpo",
    positionCount,
    steps: [rows],
    onUploaded: options.onUploaded,
  })
  try {
    const { policy, lossOf } = session
    const reference = withoutAdapter(policy)
    const subjects = [
      { name: "own", run: async () => session.apply(await session.gradient(rows)) },
      { name: "stock", run: async () => session.apply(await stockStep(context, { rows, policy, reference, lossOf })) },
    ]
    const [own, stock] = await timeInTurn(context, subjects, {
      ...options,
      deviceClock: false,
      repeats: repeatsOf(context),
    })
    const { peakUsedBytes: peakBytes, reservedBytes } = context.memory.statistics()
    const pass = { trains: "adapter", rank } as const
    const ownWork = passWork(model, lengths, pass)
    const stockPass = { ...pass, isRecomputed: true, scoresReference: true }
    const stockWork = passWork(model, unsharedRows(lengths), stockPass)
    const ratios = (of: "ms" | "cpuMs") =>
      spread(stock!.samples.map((sample, round) => sample[of] / own!.samples[round]![of]))
    const results = [pairResult("own", batch, own!, ownWork), pairResult("stock", batch, stock!, stockWork)]
    return {
      pairsPerSecond: results[0]!.pairsPerSecond,
      results,
      ratio: ratios("ms"),
      ratioByCpu: ratios("cpuMs"),
      ratioOfFlops: stockWork.total / ownWork.total,
      memory: { peakBytes, reservedBytes },
    }
  } finally {
    session.release()
  }
}

function pairResult(name: PairResult["name"], batch: number, { ms, cpuMs }: Timing, flops: Work): PairResult {
  return {
    name,
    ms,
    cpuMs,
    pairsPerSecond: (1000 * batch) / ms.median,
    flops,
    flopsPerSecond: (1000 * flops.total) / ms.median,
  }
}
