// Text of a random model at several batches, in turn: prompt tokens read a second, tokens said a second, and the bytes of weights that this
// reads. Greedy, by the generator that `yohaku generate` has, sampling included.
import { Result } from "effect"
import type { OpContext } from "#gpu-runner/device/context.ts"
import { openGenerator, type Generator as TextGenerator } from "#gpu-runner/generation/open-generator.ts"
import type { GenerationRequest, PassReport } from "#gpu-runner/generation/sequence-batch.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { type BaseWeights, heldBytes } from "#shared/formats/weights/base-weights.ts"
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
}

export interface GenerateResult {
  readonly batch: number
  readonly promptTokensPerSecond: Spread
  readonly tokensPerSecond: Spread
  /** Of a step, which reads all weights once. */
  readonly weightBytesPerSecond: Spread
}

export interface GenerateReport {
  readonly results: readonly GenerateResult[]
  readonly memory: { readonly weightBytes: number; readonly cacheBytes: number; readonly passBytes: number }
}

/** Errors: GenerationTooLarge. */
export async function benchGenerate(
  { gpu, kernels }: OpContext,
  settings: GenerateSettings,
  { rounds, onRun, onUploaded }: SessionRounds,
): Promise<GenerateReport> {
  const { model, baseWeights, rank, promptLength, responseLength, batches } = settings
  const most = Math.max(...batches)
  const sequences = Array.from({ length: most }, () => ({ promptTokens: promptLength, maxTokens: responseLength }))
  const source = randomModel(model)
  const adapter = rank === 0 ? undefined : randomAdapter(model, rank)
  const generator = openGenerator(gpu, { source, adapter, baseWeights, sequences, batch: most, kernels, onUploaded })
  const readBytes = bytesOfStep(model, (name) => source.tensors.get(name)!.dtype, baseWeights)
  try {
    const passes = batches.map((): PassReport[][] => [])
    for (let round = 0; round <= rounds; round++) {
      const order = batches.map((_, index) => (round % 2 === 0 ? index : batches.length - 1 - index))
      for (const index of order) {
        onRun?.(`${batches[index]} at once`, round, rounds)
        const reports = await passesOf(generator, requestsOf(settings, batches[index]!))
        if (round > 0) passes[index]!.push(reports)
      }
    }
    const { fixedBytes: weightBytes, cacheBytes, passBytes } = generator.plan
    const results = batches.map((batch, index) => resultOf(batch, passes[index]!, readBytes))
    return { results, memory: { weightBytes, cacheBytes, passBytes } }
  } finally {
    generator.close()
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

async function passesOf(generator: TextGenerator, requests: readonly GenerationRequest[]): Promise<PassReport[]> {
  const reports: PassReport[] = []
  for await (const _ of generator.generate(requests, { onPass: (report) => reports.push(report) })) {
    // What is said does not matter here.
  }
  return reports
}

function resultOf(batch: number, rounds: readonly (readonly PassReport[])[], readBytes: number): GenerateResult {
  const sumsOf = (kind: PassReport["kind"]) =>
    rounds.map((reports) => {
      const own = reports.filter((report) => report.kind === kind)
      const seconds = own.reduce((sum, report) => sum + report.seconds, 0)
      return { passes: own.length, tokens: own.reduce((sum, { tokens }) => sum + tokens, 0), seconds }
    })
  const steps = sumsOf("step")
  return {
    batch,
    promptTokensPerSecond: spread(sumsOf("prefill").map(({ tokens, seconds }) => tokens / seconds)),
    tokensPerSecond: spread(steps.map(({ tokens, seconds }) => tokens / seconds)),
    weightBytesPerSecond: spread(steps.map(({ passes, seconds }) => (readBytes * passes) / seconds)),
  }
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
