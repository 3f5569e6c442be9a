// Adapters of one base that come and go while a model generates: each is uploaded by itself, and a model on the same buffers has those that it
// is given as its voices (linear.ts).
import type { OpContext } from "#gpu-runner/device/context.ts"
import type { Tensor } from "#gpu-runner/device/tensor.ts"
import { upload } from "#gpu-runner/device/transfer.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { type Adapter, adapterTensorName } from "#shared/formats/peft/adapter.ts"
import { type Decoder, lowRanksOf } from "./decoder-parameters.ts"
import type { LowRank, Weight } from "./linear.ts"
import { mapLinears } from "./map-linears.ts"
import { lowRankShape } from "./trained-parameters.ts"

/** An adapter on the device. */
export interface Voice {
  /** By module path. */
  readonly lowRanks: ReadonlyMap<string, LowRank>
  /** Gives its buffers back; what was recorded with them still sees them. */
  readonly release: () => void
}

/** Errors: TensorTooLarge; nothing stays on the device then. */
export function uploadVoice(context: OpContext, config: DecoderConfig, adapter: Adapter): Voice {
  const held: Tensor[] = []
  const release = () => {
    for (const tensor of held.splice(0)) context.memory.release(tensor)
  }
  const matrix = (path: string, letter: "A" | "B"): Weight => {
    const module = adapter.modules.get(path)!
    const shape = lowRankShape(module, adapter.settings.rank, letter)
    const value = context.memory.allocatePermanent(shape, "f32", `voice.${adapterTensorName(path, letter)}`)
    held.push(value)
    upload(context, value, letter === "A" ? module.a : module.b)
    return { value }
  }
  try {
    return { lowRanks: lowRanksOf(config, adapter, matrix), release }
  } catch (error) {
    release()
    throw error
  }
}

/** The same model on the same buffers, with these adapters as its voices; a place without one is the base's. */
export function withVoices(model: Decoder, voices: readonly (Voice | undefined)[]): Decoder {
  return mapLinears(model, (linear, { path }) => ({
    ...linear,
    voices: voices.map((voice) => voice?.lowRanks.get(path)),
  }))
}
