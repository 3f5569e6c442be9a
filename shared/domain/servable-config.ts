// What a run over a pack cannot obey. A pack holds scored, tokenised and split pairs, and not the texts that they were made of: a
// configuration that wishes them made otherwise is refused when it is given, not when a runner has it.
import type { TrainConfig } from "./TrainConfig.ts"
import { TRAIN_DATA_DEFAULTS } from "./TrainData.ts"

/** Why a run cannot have the maxLength that was asked for: its dataset has no longer pairs. */
export function unservableLength(asked: number, ofDataset: number): string | undefined {
  if (asked <= ofDataset) return undefined
  return `maxLength ${asked} is above the dataset's ${ofDataset}, to which its pairs were made; lower it or leave it out, or give the dataset a larger one (PATCH /v1/datasets/{id}), as far as its model takes it`
}

/** Why a run, whose pack is tokenised, weighed and split already, cannot use a configuration, naming the key and the mend; undefined where it can. */
export function unservableConfig(config: TrainConfig): string | undefined {
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
