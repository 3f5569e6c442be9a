// How many sequences are generated at once within the device's memory, found by rehearsing the largest passes (device/rehearsal.ts). Nothing
// is allocated on the device.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { TensorTooLarge } from "#gpu-runner/device/errors.ts"
import { memoryBudgetBytes } from "#gpu-runner/device/memory-budget.ts"
import type { Lane } from "#gpu-runner/device/open-device.ts"
import { rehearsalContext } from "#gpu-runner/device/rehearsal.ts"
import type { DecoderOptions, DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import { standInDecoder } from "#gpu-runner/models/stand-in-decoder.ts"
import { type CachedDecoder, createCaches, packedTokens, prefillLogits, stepLogits } from "./cached-decoder.ts"
import { GenerationTooLarge } from "./errors.ts"
import { pagesFor } from "./page-pool.ts"
import type { BatchLimits } from "./sequence-batch.ts"

export interface GenerationPlan extends BatchLimits {
  /** Positions of the longest sequence. */
  readonly positionCount: number
  /** Weights, adapters, tables. */
  readonly fixedBytes: number
  /** Keys and values. */
  readonly cacheBytes: number
  /** What the larger of the two passes takes besides at its peak. */
  readonly passBytes: number
  /** What may be taken of the device; undefined where it does not tell. */
  readonly budgetBytes: number | undefined
}

export interface PlannedSequence {
  readonly promptTokens: number
  readonly maxTokens: number
}

/** Sequences at once, where nothing is said: more make a step longer, and tokens no cheaper. */
export const USUAL_BATCH = 32
/** Prompt tokens of one pass: more are no faster. */
const PREFILL_TOKENS: Readonly<Record<Lane, number>> = { gpu: 8192, software: 1024, null: 1024 }
/** What may be taken of a device that does not tell its memory. */
export const UNTOLD_BYTES = 8 * 2 ** 30

/** The largest batch up to `batch` that fits. Errors: GenerationTooLarge, InvalidModel. */
export function planGeneration(
  like: OpContext,
  source: DecoderSource,
  options: Pick<DecoderOptions, "adapter" | "voices" | "baseWeights">,
  sequences: readonly PlannedSequence[],
  batch = USUAL_BATCH,
): GenerationPlan {
  const byLength = sequences.toSorted((one, other) => positionsOf(other) - positionsOf(one))
  const budgetBytes = memoryBudgetBytes(like.gpu)
  const most = budgetBytes ?? UNTOLD_BYTES
  for (let size = Math.min(batch, sequences.length); ; size = Math.floor(size / 2)) {
    const plan = rehearse(like, source, options, byLength, size)
    const { fixedBytes, cacheBytes, passBytes } = plan
    if (fixedBytes + cacheBytes + passBytes <= most) return { ...plan, budgetBytes }
    if (size === 1) throw new GenerationTooLarge(plan, most)
  }
}

/** Positions that are in the cache when the sequence ends: the last token that is said is never read. */
function positionsOf({ promptTokens, maxTokens }: PlannedSequence): number {
  return promptTokens + maxTokens - 1
}

function rehearse(
  like: OpContext,
  source: DecoderSource,
  options: Pick<DecoderOptions, "adapter" | "voices" | "baseWeights">,
  byLength: readonly PlannedSequence[],
  batch: number,
): Omit<GenerationPlan, "budgetBytes"> {
  const longest = byLength.slice(0, batch)
  const positionCount = positionsOf(longest[0]!) + 1
  const pages = longest.reduce((sum, sequence) => sum + pagesFor(positionsOf(sequence)), 0)
  const prefillTokens = PREFILL_TOKENS[like.gpu.lane]
  const limits = { batch, pages, prefillTokens, positionCount }
  const context = rehearsalContext(like)
  try {
    const model = standInDecoder(context, source, { ...options, positionCount })
    const fixedBytes = context.memory.statistics().usedBytes
    const decoder = { model, caches: createCaches(context, model, pages) }
    const keptBytes = context.memory.statistics().usedBytes
    rehearsePasses(context, decoder, byLength, { ...limits, voices: options.voices?.length ?? 0 })
    const { peakUsedBytes } = context.memory.statistics()
    return { ...limits, fixedBytes, cacheBytes: keptBytes - fixedBytes, passBytes: peakUsedBytes - keptBytes }
  } catch (error) {
    if (!(error instanceof TensorTooLarge) || batch === 1) throw error
    return { ...limits, fixedBytes: 0, cacheBytes: Number.POSITIVE_INFINITY, passBytes: 0 }
  }
}

/** The largest pass over prompts, and the last step of the longest sequences. */
function rehearsePasses(
  context: OpContext,
  decoder: CachedDecoder,
  byLength: readonly PlannedSequence[],
  { batch, prefillTokens, pages, voices }: BatchLimits & { readonly voices: number },
): void {
  const everyPage = Array.from({ length: pages }, (_, page) => page)
  const voiceOf = (index: number) => (voices === 0 ? undefined : index % voices)
  const prompts: { ids: Uint32Array; pages: readonly number[]; voice: number | undefined }[] = []
  let tokens = 0
  for (const { promptTokens } of byLength.toSorted((one, other) => other.promptTokens - one.promptTokens)) {
    tokens += packedTokens(promptTokens)
    if (prompts.length > 0 && (tokens > prefillTokens || prompts.length === batch)) break
    prompts.push({ ids: new Uint32Array(promptTokens), pages: everyPage, voice: voiceOf(prompts.length) })
  }
  const steps = byLength.slice(0, batch).map((sequence, index) => {
    return { id: 0, position: positionsOf(sequence) - 1, pages: everyPage, voice: voiceOf(index) }
  })
  for (const run of [() => prefillLogits(context, decoder, prompts), () => stepLogits(context, decoder, steps)]) {
    context.memory.withScope(() => {
      run()
      return undefined
    })
  }
}
