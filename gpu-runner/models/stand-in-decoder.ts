// A decoder with buffers and no values, for rehearsals (device/rehearsal.ts): it takes what the real one would take, and can be run forward
// and backward there.
import type { OpContext } from "#gpu-runner/device/context.ts"
import { defaultLogitsBytes } from "#gpu-runner/ops/head/head-chunks.ts"
import { allocateWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { adapterTensorName } from "#shared/formats/peft/adapter.ts"
import { heldKind } from "#shared/formats/weights/base-weights.ts"
import { checkSource } from "./check-source.ts"
import {
  addTrained,
  assembleDecoder,
  type Decoder,
  type DecoderOptions,
  type DecoderSource,
  lowRanksOf,
  voiceLowRanks,
  type Weights,
} from "./decoder-parameters.ts"
import { allocateJoined } from "./joined-linears.ts"
import type { Weight } from "./linear.ts"
import { emptyBank, lowRankShape, trainedWeight } from "./trained-parameters.ts"

/** Of `source` only names, shapes and dtypes are read. Errors: InvalidModel, as createDecoder. */
export function standInDecoder(
  context: OpContext,
  source: DecoderSource,
  {
    positionCount,
    adapter,
    voices,
    train = "nothing",
    baseWeights = "stored",
    bankLayout,
    logitsBytes,
  }: DecoderOptions,
): Decoder {
  checkSource(source, positionCount)
  const { config, tensors } = source
  const vector = (shape: readonly number[], name: string): Weight => ({
    value: context.memory.allocatePermanent(shape, "f32", name),
  })
  const trained = emptyBank(context, config, { adapter, train, bankLayout })
  const kindOf = (name: string) => heldKind(tensors.get(name)!, baseWeights)
  const { joined, places } = allocateJoined(context, config, kindOf)
  const weights: Weights = { vectors: new Map(), matrices: new Map(), joined }
  for (const [name, shape] of decoderTensorShapes(config)) {
    if (train === "weights") addTrained(weights, trained!, name, shape)
    else if (shape.length === 1) weights.vectors.set(name, vector(shape, name))
    else {
      const [rows, columns] = shape as readonly [number, number]
      const stored = places.get(name) ?? allocateWeight(context, { kind: kindOf(name), rows, columns }, name)
      weights.matrices.set(name, { stored })
    }
  }
  const only = lowRanksOf(config, adapter, (path, letter) => {
    const name = adapterTensorName(path, letter)
    if (train === "adapter") return trainedWeight(trained!, name)
    return vector(lowRankShape(adapter!.modules.get(path)!, adapter!.settings.rank, letter), name)
  })
  const ofVoices = voiceLowRanks(config, voices, (name, shape) => vector(shape, name))
  const ropeTable = context.memory.allocatePermanent([positionCount, config.headSize], "f32", "rope.table")
  const ropeTables = config.layers.map(() => ropeTable)
  return {
    ...assembleDecoder(config, weights, { only, ofVoices }, ropeTables),
    trained,
    logitsBytes: logitsBytes ?? defaultLogitsBytes(context.gpu.lane),
    release: () => undefined,
  }
}
