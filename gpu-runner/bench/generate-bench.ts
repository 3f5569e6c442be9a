// Text of a random model at several batches, in turn: prompt tokens read a second, tokens said a second, and the bytes of weights that this
// reads; where it is asked for beside llama.cpp, round by round. Greedy, by the generator that `yohaku generate` has, sampling included.
import { Result } from "effect"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { openGenerator, type Generator as TextGenerator } from "#gpu-runner/generation/open-generator.ts"
import type { GenerationRequest } from "#gpu-runner/generation/sequence-batch.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { type BaseWeights, heldBytes } from "#shared/formats/weights/base-weights.ts"
import { type GeneratedPass, LLAMA_CPP_MISSING, type LlamaPeer, openLlamaPeer } from "./llama-cpp.ts"
import { randomModel } from "./random-model.ts"
import { type Spread, spread } from "./rounds.ts"
import { movedAdapter, type SessionRounds } from "./training-session.ts"

export interface GenerateSettings {
  readonly model: DecoderConfig
  readonly baseWeights: BaseWeights
  /** Of an adapter on all seven linears; 0 for none. */
  readonly rank: number
  readonly promptLength: number
  readonly responseLength: number
  readonly batches: readonly number[]
  /** Whether llama.cpp says the same in turn, on the processor and without the adapter. */
  readonly besideLlama: boolean
}

/** How fast, by the clock and by processor time of the process, which is what a software adapter works with. */
export interface GenerateRates {
  readonly promptTokensPerSecond: Spread
  readonly tokensPerSecond: Spread
  readonly promptTokensPerCpuSecond: Spread
  readonly tokensPerCpuSecond: Spread
}

export interface GenerateResult extends GenerateRates {
  readonly batch: number
  /** Of a step, which reads all weights once. */
  readonly weightBytesPerSecond: Spread
}

/** llama.cpp's rates, and ours by llama.cpp's, round by round. */
export interface LlamaResult extends GenerateRates {
  readonly batch: number
  readonly ratios: GenerateRates
}

export interface GenerateReport {
  readonly results: readonly GenerateResult[]
  /** Where it was asked for: why it could not be had, or one result a batch. */
  readonly llama: { readonly missing: string } | { readonly results: readonly LlamaResult[] } | undefined
  readonly memory: { readonly weightBytes: number; readonly cacheBytes: number; readonly passBytes: number }
}

/** Errors: GenerationTooLarge. */
export async function benchGenerate(
  { gpu, kernels }: OpContext,
  settings: GenerateSettings,
  rounds: SessionRounds,
): Promise<GenerateReport> {
  const { model, baseWeights, rank, promptLength, responseLength, batches, besideLlama } = settings
  const most = Math.max(...batches)
  const sequences = Array.from({ length: most }, () => ({ promptTokens: promptLength, maxTokens: responseLength }))
  const source = randomModel(model)
  const adapter = rank === 0 ? undefined : randomAdapter(model, rank)
  const { onUploaded } = rounds
  const generator = openGenerator(gpu, { source, adapter, baseWeights, sequences, batch: most, kernels, onUploaded })
  const llama = besideLlama ? await openLlamaPeer(source, { batch: most, promptLength, responseLength }) : undefined
  try {
    const { ours, theirs } = await inTurn(generator, llama, settings, rounds)
    const stepBytes = bytesOfStep(model, (name) => source.tensors.get(name)!.dtype, baseWeights)
    const { fixedBytes: weightBytes, cacheBytes, passBytes } = generator.plan
    return {
      results: batches.map((batch, index) => resultOf(batch, ours[index]!, stepBytes)),
      llama: besideLlama ? beside(batches, ours, theirs) : undefined,
      memory: { weightBytes, cacheBytes, passBytes },
    }
  } finally {
    await llama?.close()
    generator.close()
  }
}

/** What a batch's counted rounds took, one entry a round. */
type Rounds = RoundSums[]

/** All passes of one round. */
interface RoundSums {
  readonly prefill: PassSums
  readonly step: PassSums
}

interface PassSums {
  passes: number
  tokens: number
  seconds: number
  cpuSeconds: number
}

async function inTurn(
  generator: TextGenerator,
  llama: LlamaPeer | undefined,
  settings: GenerateSettings,
  { rounds, onRun }: SessionRounds,
): Promise<{ readonly ours: Rounds[]; readonly theirs: Rounds[] }> {
  const { batches } = settings
  const ours = batches.map((): Rounds => [])
  const theirs = batches.map((): Rounds => [])
  const subjects = batches.flatMap((batch, index) => {
    const requests = requestsOf(settings, batch)
    const own = {
      name: `${batch} at once`,
      kept: ours[index]!,
      run: (onPass: OnPass) => say(generator, requests, onPass),
    }
    if (!llama) return [own]
    const run = (onPass: OnPass) => llama.generate(requests, onPass)
    return [own, { name: `${batch} at once, llama.cpp`, kept: theirs[index]!, run }]
  })
  for (let round = 0; round <= rounds; round++) {
    for (const { name, kept, run } of round % 2 === 0 ? subjects : subjects.toReversed()) {
      onRun?.(name, round, rounds)
      const sums = await metered(run)
      if (round > 0) kept.push(sums)
    }
  }
  return { ours, theirs }
}

type OnPass = (pass: GeneratedPass) => void

/** Sums of the passes of a run; what lies between two passes belongs to the later one, so that sampling counts. */
async function metered(run: (onPass: OnPass) => Promise<void>): Promise<RoundSums> {
  const nothing = { passes: 0, tokens: 0, seconds: 0, cpuSeconds: 0 }
  const sums: RoundSums = { prefill: { ...nothing }, step: { ...nothing } }
  let cpu = process.cpuUsage()
  let lastMs = performance.now()
  await run(({ kind, tokens }) => {
    const { user, system } = process.cpuUsage(cpu)
    const nowMs = performance.now()
    const sum = sums[kind]
    sum.passes += 1
    sum.tokens += tokens
    sum.seconds += (nowMs - lastMs) / 1000
    sum.cpuSeconds += (user + system) / 1e6
    cpu = process.cpuUsage()
    lastMs = nowMs
  })
  return sums
}

async function say(generator: TextGenerator, requests: readonly GenerationRequest[], onPass: OnPass): Promise<void> {
  for await (const _ of generator.generate(requests, { onPass })) {
    // What is said does not matter here.
  }
}

function randomAdapter(model: DecoderConfig, rank: number): Adapter {
  return movedAdapter(
    model,
    Result.getOrThrow(decodeTrainConfig({ method: "sft", loraRank: rank, learningRate: 1e-6 })),
  )
}

/** Prompts that differ, so that no two sequences say the same. */
function requestsOf({ model, promptLength, responseLength }: GenerateSettings, batch: number): GenerationRequest[] {
  return Array.from({ length: batch }, (_, sequence) => ({
    promptIds: Uint32Array.from(
      { length: promptLength },
      (_, at) => (7919 * (sequence + 1) + 31 * at) % model.vocabularySize,
    ),
    maxTokens: responseLength,
    sampling: { temperature: 0 },
    seed: 0,
    label: `${sequence}`,
    endIds: new Set<number>(),
  }))
}

const RATES = {
  promptTokensPerSecond: ({ prefill }: RoundSums) => prefill.tokens / prefill.seconds,
  tokensPerSecond: ({ step }: RoundSums) => step.tokens / step.seconds,
  promptTokensPerCpuSecond: ({ prefill }: RoundSums) => prefill.tokens / prefill.cpuSeconds,
  tokensPerCpuSecond: ({ step }: RoundSums) => step.tokens / step.cpuSeconds,
} as const satisfies Readonly<Record<keyof GenerateRates, (round: RoundSums) => number>>

function ratesOf(roundsOf: (rate: (round: RoundSums) => number) => readonly number[]): GenerateRates {
  const spreads = Object.entries(RATES).map(([name, rate]) => [name, spread(roundsOf(rate))])
  return Object.fromEntries(spreads) as Record<keyof GenerateRates, Spread>
}

function resultOf(batch: number, rounds: Rounds, stepBytes: number): GenerateResult {
  const bytesPerSecond = rounds.map(({ step }) => (stepBytes * step.passes) / step.seconds)
  return { batch, ...ratesOf((rate) => rounds.map(rate)), weightBytesPerSecond: spread(bytesPerSecond) }
}

function beside(
  batches: readonly number[],
  ours: readonly Rounds[],
  theirs: readonly Rounds[],
): GenerateReport["llama"] {
  if (theirs.every((rounds) => rounds.length === 0)) return { missing: LLAMA_CPP_MISSING }
  const results = batches.map((batch, index) => {
    const [own, other] = [ours[index]!, theirs[index]!]
    const ratios = ratesOf((rate) => own.map((round, at) => rate(round) / rate(other[at]!)))
    return { batch, ...ratesOf((rate) => other.map(rate)), ratios }
  })
  return { results }
}

/** Linear layers and the head: of an embedding that is no head a step reads a row a sequence. */
function bytesOfStep(
  config: DecoderConfig,
  dtypeOf: Parameters<typeof heldBytes>[1],
  baseWeights: BaseWeights,
): number {
  const { linears, tables } = heldBytes(config, dtypeOf, baseWeights)
  return linears + (config.tieWordEmbeddings ? tables : tables / 2)
}
