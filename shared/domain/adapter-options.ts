// What an adapter's own file says of a configuration's keys: training that starts from the adapter takes these values.
import { type AdapterSettings, moduleName } from "#shared/formats/peft/adapter.ts"
import type { TrainConfig } from "./TrainConfig.ts"

export type AdapterOptions = Pick<TrainConfig, "loraRank" | "loraAlpha" | "loraTargets" | "useRankStabilisedLora">

/** Rank, alpha, scaling and targets of an adapter. */
export const adapterOptions = (settings: AdapterSettings): AdapterOptions => ({
  loraRank: settings.rank,
  loraAlpha: settings.alpha,
  loraTargets: [...new Set(settings.targetModules.map(moduleName))],
  useRankStabilisedLora: settings.useRankStabilisedScaling ?? false,
})

const sorted = (value: unknown): unknown => (Array.isArray(value) ? value.toSorted() : value)

/** Where a written configuration says otherwise than the adapter, with the mend; undefined where it nowhere does. */
export const contradictionOf = (
  options: Partial<AdapterOptions>,
  written: Readonly<Record<string, unknown>>,
  adapter: string,
): string | undefined => {
  for (const [name, value] of Object.entries(options)) {
    const wish = written[name]
    if (wish === undefined || JSON.stringify(sorted(wish)) === JSON.stringify(sorted(value))) continue
    return `${name} is ${JSON.stringify(wish)}, but ${adapter} has ${JSON.stringify(value)}; leave ${name} out`
  }
  return undefined
}
