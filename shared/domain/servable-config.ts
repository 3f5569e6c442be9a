// What a run over a pack can do. A pack holds scored, tokenised and split pairs and nothing else, and a run ends as an adapter: a
// configuration that wishes more is refused when it is given, not when a runner has it.
import type { TrainConfig } from "./TrainConfig.ts"
import { TRAIN_DATA_DEFAULTS } from "./TrainData.ts"
import { unservableMethod } from "./TrainMethod.ts"

/** Why a run cannot use a configuration, naming the key and the mend; undefined where it can. */
export function unservableConfig(config: TrainConfig): string | undefined {
  return unservableMethod(config.method) ?? unservableWeights(config) ?? unservableData(config)
}

/** Why a run cannot have the maxLength that was asked for: its dataset has no longer pairs. */
export function unservableLength(asked: number, ofDataset: number): string | undefined {
  if (asked <= ofDataset) return undefined
  return `maxLength ${asked} is above the dataset's ${ofDataset}, to which its pairs were made; lower it or leave it out, or make a dataset with a larger one`
}

function unservableWeights({ loraRank, baseWeights }: TrainConfig): string | undefined {
  if (loraRank === 0) {
    return "loraRank 0 trains all weights, and a run ends as an adapter; set loraRank, or train with `yohaku train`"
  }
  // f32 holds any checkpoint's values exactly, so the pack's reference is this base's too; fewer bits make another base of it.
  if (baseWeights === "stored" || baseWeights === "f32") return undefined
  return `baseWeights ${baseWeights} rounds the base, and a pack's reference and a run's evaluation are of the weights as stored; leave it out, or train with \`yohaku train\``
}

/** Why a pack, which is tokenised, weighed and split already, cannot obey a configuration's keys of data; undefined where it can. */
export function unservableData(config: TrainConfig): string | undefined {
  if (config.heldOutShare > 0) {
    return "heldOutShare is for data files; a pack's own split says what is held out; leave it out"
  }
  const wishes = {
    overflow: config.overflow !== "drop",
    responseIncludesHeader: config.responseIncludesHeader,
    chatTemplateOptions: Object.keys(config.chatTemplateOptions).length > 0,
    strengthAsWeight: config.strengthAsWeight,
    maxBadShare: config.maxBadShare !== TRAIN_DATA_DEFAULTS.maxBadShare,
  }
  const wish = Object.entries(wishes).find(([, isWished]) => isWished)?.[0]
  if (wish === undefined) return undefined
  return `${wish} is for data files; a pack's pairs are tokenised and weighed already; leave it out`
}
