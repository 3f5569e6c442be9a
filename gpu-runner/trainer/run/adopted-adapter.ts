// Training that starts from an adapter takes its rank, alpha, scaling and targets; a configuration that was written otherwise is an error.
import { adapterOptions, contradictionOf } from "#shared/domain/adapter-options.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { AdapterSettings } from "#shared/formats/peft/adapter.ts"
import { UnusableConfig } from "../errors.ts"

/** `written` is what somebody wrote of the configuration, to tell a default from a wish. Errors: UnusableConfig. */
export function adoptAdapter(
  config: TrainConfig,
  settings: AdapterSettings,
  written: Readonly<Record<string, unknown>> = {},
): TrainConfig {
  const own = adapterOptions(settings)
  const contradiction = contradictionOf(own, written, "the adapter of --adapter")
  if (contradiction !== undefined) throw new UnusableConfig(contradiction)
  return { ...config, ...own }
}
