// A model opened for generating: its weights on the device, with a cache of keys and values as planned.
import { closeContext, createContext, type KernelChoice } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { createDecoder, type DecoderOptions, type DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import { createCaches } from "./cached-decoder.ts"
import { type Generated, type GenerateOptions, generateBatch } from "./generate-batch.ts"
import { type GenerationPlan, type PlannedSequence, planGeneration } from "./plan.ts"
import type { GenerationRequest } from "./sequence-batch.ts"

export interface GeneratorOptions extends Pick<DecoderOptions, "baseWeights" | "onUploaded"> {
  readonly source: DecoderSource
  /** For all sequences. */
  readonly adapter?: DecoderOptions["adapter"]
  /** In place of `adapter`: several of one base, which each sequence chooses from. */
  readonly voices?: DecoderOptions["voices"]
  /** What is to be generated, the longest of it at least. */
  readonly sequences: readonly PlannedSequence[]
  /** Most sequences at once. */
  readonly batch?: number | undefined
  /** `tuned` by default. */
  readonly kernels?: KernelChoice | undefined
  /** Told before anything is uploaded. */
  readonly onPlanned?: ((plan: GenerationPlan) => void) | undefined
}

export interface Generator {
  readonly plan: GenerationPlan
  readonly generate: <Request extends GenerationRequest>(
    requests: Iterable<Request>,
    options?: Pick<GenerateOptions, "signal" | "onPass">,
  ) => AsyncGenerator<{ readonly request: Request; readonly generated: Generated }>
  /** Gives everything back. */
  readonly close: () => void
}

const contextOf = (gpu: GpuDevice, kernels: KernelChoice | undefined) =>
  createContext(gpu, kernels, { precision: "f32", steadyRows: "many" })

/** What openGenerator would plan, for a model of which the heads of its weights suffice. Errors: GenerationTooLarge, InvalidModel. */
export function forecastGeneration(
  gpu: GpuDevice,
  { source, sequences, batch, kernels, ...ofDecoder }: Omit<GeneratorOptions, "onPlanned" | "onUploaded">,
): GenerationPlan {
  const context = contextOf(gpu, kernels)
  try {
    return planGeneration(context, source, ofDecoder, sequences, batch)
  } finally {
    closeContext(context)
  }
}

/**
 * Plans, then uploads. Products are f32 whatever the adapter could round to: a sequence's log-probs are those of a scoring pass in f32.
 * Errors: GenerationTooLarge before anything is uploaded, InvalidModel, UnstorableWeight, TensorTooLarge.
 */
export function openGenerator(gpu: GpuDevice, options: GeneratorOptions): Generator {
  const { source, sequences, batch, onPlanned, kernels, ...ofDecoder } = options
  const context = contextOf(gpu, kernels)
  try {
    const plan = planGeneration(context, source, ofDecoder, sequences, batch)
    onPlanned?.(plan)
    const model = createDecoder(context, source, { ...ofDecoder, positionCount: plan.positionCount })
    const decoder = { model, caches: createCaches(context, model, plan.pages) }
    return {
      plan,
      generate: (requests, more) => generateBatch(context, decoder, requests, { ...plan, ...more }),
      close: () => {
        model.release()
        for (const { keys, values } of decoder.caches) {
          context.memory.release(keys)
          context.memory.release(values)
        }
        closeContext(context)
      },
    }
  } catch (error) {
    closeContext(context)
    throw error
  }
}
