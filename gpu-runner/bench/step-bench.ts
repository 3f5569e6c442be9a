// Whole training steps on sequences of one or several lengths, or log-probs alone: tokens and FLOPs a second, the share of the bound that
// the step's own products set, and memory. Step and products are timed in turn.
import { mostPositions, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { TimedDispatch } from "#gpu-runner/device/dispatch-timer.ts"
import type { PairLengths } from "#gpu-runner/ops/attention/attention-layout.ts"
import type { StepPlan } from "#gpu-runner/trainer/plan/step-plan.ts"
import { type Profile, profileOf } from "#gpu-runner/trainer/step/step-profile.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { type Pass, passWork, rowTokenCount, type Work } from "./flops.ts"
import { type ProductReplay, replayProducts } from "./product-replay.ts"
import {
  dispatchesOf,
  type RoundOptions,
  repeatsOf,
  type Spread,
  type Subject,
  type Timing,
  timeInTurn,
} from "./rounds.ts"
import { openSession, randomRows, type SessionRounds, type TrainingSession } from "./training-session.ts"

export interface StepSettings {
  readonly model: DecoderConfig
  readonly pass: Pass
  readonly baseWeights: BaseWeights
  /** Each is a result of its own: a step of `batch` sequences of `length` tokens. */
  readonly sequences: readonly { readonly length: number; readonly batch: number }[]
  /** Profiles some more steps afterwards. */
  readonly profiles: boolean
}

/** The figures that machines are compared by. */
interface Headline {
  readonly tokensPerSecond: number
  /** Of the FLOPs that a step needs, whatever it does. */
  readonly flopsPerSecond: number
  /** Median time of the products alone by that of the step. */
  readonly shareOfGemmBound: number
}

export interface StepResult extends Headline {
  readonly length: number
  readonly batch: number
  readonly tokens: number
  /** How the trainer takes the step on this device; null for log-probs alone. */
  readonly plan: Pick<StepPlan, "tokens" | "checkpointing" | "keepsRowGradients"> | null
  readonly ms: Spread
  readonly cpuMs: Spread
  /** The step's products recorded alone. */
  readonly gemm: { readonly dispatches: number; readonly ms: Spread; readonly cpuMs: Spread }
  /** Needed by a step, by part. */
  readonly flops: Work
  /** shareOfGemmBound by processor time: on a software adapter, where other work disturbs it less. */
  readonly shareOfGemmBoundByCpu: number
  /** Time a token, by that of the first length. */
  readonly costPerToken: number
  readonly profile?: Profile
}

export interface StepReport extends Headline {
  readonly results: readonly StepResult[]
  readonly memory: { readonly peakBytes: number; readonly reservedBytes: number }
}

interface Prepared {
  readonly length: number
  readonly lengths: readonly PairLengths[]
  readonly rows: readonly TokenRow[]
  readonly run: () => Promise<void>
}

/** The headline is that of the first length. Errors: NotEnoughMemory, those of createDecoder and of the device. */
export async function benchStep(
  context: OpContext,
  settings: StepSettings,
  options: SessionRounds,
): Promise<StepReport> {
  const { model, pass, baseWeights } = settings
  const prepared = settings.sequences.map(({ length, batch }) => {
    const lengths = sequenceLengths(length, batch)
    return { length, lengths, rows: randomRows(model, lengths) }
  })
  const positionCount = mostPositions(prepared.flatMap(({ rows }) => rows))
  const session = openSession(context, {
    model,
    trains: pass.trains,
    rank: pass.rank,
    baseWeights,
    method: "sft",
    positionCount,
    steps: prepared.map(({ rows }) => rows),
    onUploaded: options.onUploaded,
  })
  const replays: ProductReplay[] = []
  try {
    const steps = prepared.map((one): Prepared => ({ ...one, run: stepOf(session, one.rows, pass) }))
    for (const { run } of steps) replays.push(replayProducts(context, await dispatchesOf(context, run), session.policy))
    const { peakUsedBytes: peakBytes, reservedBytes } = context.memory.statistics()
    const subjects = steps.flatMap(({ length, run }, index): Subject[] => [
      { name: `step of ${length}`, run },
      { name: `products of ${length}`, run: replays[index]!.record },
    ])
    const timings = await timeInTurn(context, subjects, { ...options, deviceClock: false, repeats: repeatsOf(context) })
    const tokenMs = timings[0]!.ms.median / rowTokenCount(steps[0]!.lengths)
    const results: StepResult[] = []
    for (const [index, step] of steps.entries()) {
      const measured = {
        step: timings[2 * index]!,
        gemm: timings[2 * index + 1]!,
        gemmDispatches: replays[index]!.count,
      }
      const result = stepResult(settings, step, measured, tokenMs)
      const profile = settings.profiles ? { profile: await profiled(context, step.run, replays[index]!, options) } : {}
      results.push({ ...result, plan: pass.trains === "nothing" ? null : planOf(session, step.rows), ...profile })
    }
    const { tokensPerSecond, flopsPerSecond, shareOfGemmBound } = results[0]!
    const headline = { tokensPerSecond, flopsPerSecond, shareOfGemmBound }
    return { ...headline, results, memory: { peakBytes, reservedBytes } }
  } finally {
    for (const replay of replays) replay.release()
    session.release()
  }
}

interface Measured {
  readonly step: Timing
  readonly gemm: Timing
  readonly gemmDispatches: number
}

/** `tokenMs` is a token's time at the first length. */
function stepResult(
  { model, pass }: StepSettings,
  { length, lengths }: Prepared,
  { step, gemm, gemmDispatches }: Measured,
  tokenMs: number,
): Omit<StepResult, "plan"> {
  const flops = passWork(model, lengths, pass)
  const tokens = rowTokenCount(lengths)
  return {
    length,
    batch: lengths.length,
    tokens,
    ms: step.ms,
    cpuMs: step.cpuMs,
    gemm: { dispatches: gemmDispatches, ms: gemm.ms, cpuMs: gemm.cpuMs },
    tokensPerSecond: (1000 * tokens) / step.ms.median,
    flops,
    flopsPerSecond: (1000 * flops.total) / step.ms.median,
    shareOfGemmBound: gemm.ms.median / step.ms.median,
    shareOfGemmBoundByCpu: gemm.cpuMs.median / step.cpuMs.median,
    costPerToken: step.ms.median / tokens / tokenMs,
  }
}

function planOf(session: TrainingSession, rows: readonly TokenRow[]): StepResult["plan"] {
  const { tokens, checkpointing, keepsRowGradients } = session.planFor(rows)
  return { tokens, checkpointing, keepsRowGradients }
}

/** All tokens but the first are scored: a language model's loss over the whole sequence. */
function sequenceLengths(length: number, batch: number): PairLengths[] {
  return Array.from({ length: batch }, () => ({ promptLength: 1, chosenLength: length - 1, rejectedLength: 0 }))
}

function stepOf(session: TrainingSession, rows: readonly TokenRow[], { trains }: Pass): () => Promise<void> {
  if (trains === "nothing") return () => session.score(rows)
  return async () => session.apply(await session.gradient(rows))
}

/** Steps and their products alone in turn, by the device's own clock. */
async function profiled(
  context: OpContext,
  run: Prepared["run"],
  { record }: ProductReplay,
  { rounds }: Pick<RoundOptions, "rounds">,
): Promise<Profile> {
  const steps: TimedDispatch[][] = []
  let productsMs = 0
  for (let round = 0; round < rounds; round++) {
    steps.push(await dispatchesOf(context, run))
    productsMs += (await dispatchesOf(context, record)).reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0)
  }
  const clock = context.gpu.features.has("timestamp-query") ? "timestamp" : "queue"
  return { ...profileOf(steps, rounds, clock), gemmMs: productsMs / rounds }
}
