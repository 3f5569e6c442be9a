// What a run keeps on the device from its first step to its last, counted by allocating it in a rehearsal.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { rehearsalContext } from "#gpu-runner/device/rehearsal.ts"
import {
  type Decoder,
  type DecoderOptions,
  type DecoderSource,
  withDropout,
  withoutAdapter,
} from "#gpu-runner/models/decoder-parameters.ts"
import { standInDecoder } from "#gpu-runner/models/stand-in-decoder.ts"
import { AdamwState, adamwLayout, type Optimiser } from "#gpu-runner/optimiser/adamw-state.ts"
import type { DistributionReads } from "../step/score-rows.ts"

export interface RehearsedRun {
  /** It has no values: for rehearsals of steps alone. */
  readonly model: Decoder
  readonly reads: DistributionReads
  /** Weights, gradients, moments, and a copy of the weights where the run needs one. */
  readonly fixedBytes: number
}

export interface RehearsedRunOptions extends Pick<DecoderOptions, "positionCount" | "adapter" | "baseWeights"> {
  readonly optimiser: Optimiser
  readonly loraDropout: number
  /** Whether the loss reads the reference model, and from a copy of its own. */
  readonly reference: "none" | "base" | "copy"
}

/** The run that trains `adapter`, or all weights where there is none. */
export function rehearseRun(like: OpContext, source: DecoderSource, options: RehearsedRunOptions): RehearsedRun {
  const context = rehearsalContext(like)
  const { optimiser, reference, loraDropout, ...ofDecoder } = options
  const train = options.adapter ? "adapter" : "weights"
  const model = standInDecoder(context, source, { ...ofDecoder, train, bankLayout: adamwLayout(optimiser) })
  new AdamwState(context, model.trained!.shards, optimiser)
  const copy = reference === "copy" ? standInDecoder(context, source, ofDecoder) : undefined
  const reads = { reference: reference === "base" ? withoutAdapter(model) : copy }
  return {
    model: withDropout(model, { rate: loraDropout, seed: 0 }),
    reads,
    fixedBytes: context.memory.statistics().usedBytes,
  }
}
