// A LoRA adapter before its first step, initialised as PEFT does: A uniform, B zero, so that it changes nothing yet.

import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { type Adapter, type AdapterModule, adapterModuleShapes } from "#shared/formats/peft/adapter.ts"
import { scalingOf } from "#shared/formats/peft/adapter-config.ts"

type LoraConfig = Pick<
  TrainConfig,
  "loraRank" | "loraAlpha" | "loraTargets" | "loraDropout" | "useRankStabilisedLora" | "seed"
>

/**
 * A is kaiming-uniform with a = √5, that is uniform in ±1/√in (peft, LoraLayer.reset_lora_parameters); each module draws from
 * its own stream, so that adding a target leaves the others alone.
 */
export function freshAdapter(model: DecoderConfig, config: LoraConfig, baseModel: string): Adapter {
  const { loraRank: rank, loraAlpha: alpha, loraTargets: targetModules } = config
  const { loraDropout: dropout, useRankStabilisedLora: useRankStabilisedScaling } = config
  const modules = new Map<string, AdapterModule>()
  for (const [path, shape] of adapterModuleShapes(model, targetModules)) {
    const random = new SeededRandom(config.seed, `lora_A ${path}`)
    const reach = 1 / Math.sqrt(shape.in)
    const a = new Float32Array(rank * shape.in)
    // A plain loop takes half the time of Float32Array.from with a function.
    for (let index = 0; index < a.length; index++) a[index] = reach * (2 * random.unit() - 1)
    modules.set(path, { a, b: new Float32Array(shape.out * rank) })
  }
  const settings = { baseModel, rank, alpha, targetModules, useRankStabilisedScaling, dropout }
  return { settings, scaling: scalingOf(alpha, rank, useRankStabilisedScaling), modules }
}
