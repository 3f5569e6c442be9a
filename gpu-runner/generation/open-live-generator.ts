// A model opened for requests that come and go, each under an adapter of its own: adapters are taken up and given back while sequences of others
// go on. Whoever holds it makes the passes, one after the other.
import { closeContext, createContext, type KernelChoice, type OpContext } from "#gpu-runner/device/context.ts"
import { sizeClassBytes } from "#gpu-runner/device/memory.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { createDecoder, type DecoderOptions, type DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadVoice, type Voice, withVoices } from "#gpu-runner/models/voices.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { createCaches } from "./cached-decoder.ts"
import { AdapterTooLarge } from "./errors.ts"
import { type GenerationPlan, planGeneration, UNTOLD_BYTES } from "./plan.ts"
import {
  type GenerationRequest,
  type PassOptions,
  type Sequence,
  SequenceBatch,
  type WaitingRequests,
} from "./sequence-batch.ts"

export interface LiveGeneratorOptions extends Pick<DecoderOptions, "baseWeights" | "onUploaded"> {
  readonly source: DecoderSource
  /** Adapters for which memory is set aside; they are held by `hold`. */
  readonly adapters: readonly Adapter[]
  /** Most tokens of a prompt with its response. */
  readonly maxLength: number
  /** Most sequences at once; fewer where memory holds fewer. */
  readonly batch: number
  /** `tuned` by default. */
  readonly kernels?: KernelChoice | undefined
  /** Told before anything is uploaded. */
  readonly onPlanned?: ((plan: GenerationPlan) => void) | undefined
}

export interface LiveGenerator<Request extends GenerationRequest> {
  readonly plan: GenerationPlan
  /** Takes up an adapter; returns its place, which requests name as their voice. Errors: AdapterTooLarge, TensorTooLarge. */
  readonly hold: (adapter: Adapter) => number
  /** Gives an adapter back, of which no sequence is under way or waiting. */
  readonly release: (place: number) => void
  /** SequenceBatch.pass. */
  readonly pass: (waiting: WaitingRequests<Request>, options?: PassOptions) => Promise<readonly Sequence<Request>[]>
  /** SequenceBatch.leave. */
  readonly leave: (request: Request) => void
  /** Sequences under way. */
  readonly size: () => number
  /** Gives everything back. */
  readonly close: () => void
}

/** Plans, then uploads the base. Errors: GenerationTooLarge before anything is uploaded, InvalidModel, UnstorableWeight, TensorTooLarge. */
export function openLiveGenerator<Request extends GenerationRequest>(
  gpu: GpuDevice,
  { source, adapters, maxLength, batch, kernels, onPlanned, ...ofDecoder }: LiveGeneratorOptions,
): LiveGenerator<Request> {
  const context = createContext(gpu, kernels, { precision: "f32", steadyRows: "many" })
  try {
    const longest = { promptTokens: maxLength - 1, maxTokens: 1 }
    const sequences = Array.from({ length: batch }, () => longest)
    const plan = planGeneration(context, source, { ...ofDecoder, voices: adapters }, sequences, batch)
    onPlanned?.(plan)
    const base = createDecoder(context, source, { ...ofDecoder, positionCount: plan.positionCount })
    const caches = createCaches(context, base, plan.pages)
    const sequencesUnderWay = new SequenceBatch<Request>(context, plan)
    const voices = heldVoices(context, source, bytesForVoices(plan, adapters))
    let model = base
    return {
      plan,
      hold: (adapter) => {
        const place = voices.hold(adapter)
        model = withVoices(base, voices.all)
        return place
      },
      release: (place) => {
        voices.release(place)
        model = withVoices(base, voices.all)
      },
      pass: (waiting, options) => sequencesUnderWay.pass({ model, caches }, waiting, options),
      leave: (request) => sequencesUnderWay.leave(request),
      size: () => sequencesUnderWay.size,
      close: () => {
        voices.releaseAll()
        base.release()
        for (const { keys, values } of caches) {
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

/** What adapters may take: what was planned for them, and what the plan leaves of the device. */
function bytesForVoices(
  { fixedBytes, cacheBytes, passBytes, budgetBytes }: GenerationPlan,
  adapters: readonly Adapter[],
): number {
  const planned = adapters.reduce((sum, adapter) => sum + adapterBytes(adapter), 0)
  return (budgetBytes ?? UNTOLD_BYTES) - (fixedBytes + cacheBytes + passBytes) + planned
}

/** On the device. */
function adapterBytes({ modules }: Adapter): number {
  return [...modules.values()].reduce(
    (sum, { a, b }) => sum + sizeClassBytes(a.byteLength) + sizeClassBytes(b.byteLength),
    0,
  )
}

function heldVoices(context: OpContext, { config }: DecoderSource, mostBytes: number) {
  const all: (Voice | undefined)[] = []
  const bytes: number[] = []
  const release = (place: number) => {
    all[place]?.release()
    all[place] = undefined
    bytes[place] = 0
  }
  return {
    all,
    release,
    releaseAll: () => all.forEach((_, place) => void release(place)),
    hold: (adapter: Adapter): number => {
      const needed = adapterBytes(adapter)
      const left = mostBytes - bytes.reduce((sum, taken) => sum + taken, 0)
      if (needed > left) throw new AdapterTooLarge(needed, left)
      const free = all.indexOf(undefined)
      const place = free < 0 ? all.length : free
      all[place] = uploadVoice(context, config, adapter)
      bytes[place] = needed
      return place
    },
  }
}
