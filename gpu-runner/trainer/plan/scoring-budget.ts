// How many tokens are scored at once. Results do not depend on it; memory and speed do. Training steps have a plan of their own.
import type { GpuDevice, Lane } from "#gpu-runner/device/open-device.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"

const ACTIVATION_BYTES = 2 ** 30
/** More are no faster; on a software adapter they would only be longer without a word. */
const MOST_TOKENS: Readonly<Record<Lane, number>> = { gpu: 8192, software: 2048, null: 2048 }
const FEWEST_TOKENS = 256

/** Bytes of the activations of one layer for each token; scoring keeps no more than one layer's at a time. */
export function layerBytesPerToken(config: DecoderConfig): number {
  const queries = config.headCount * config.headSize
  const keys = config.keyValueHeadCount * config.headSize
  const { hiddenSize, intermediateSize } = config
  const ofPostNorms = config.postNorms ? 2 * hiddenSize : 0
  const ofHeadNorms = config.queryKeyNorm ? queries + keys : 0
  return 4 * (5 * hiddenSize + 2 * queries + 2 * keys + 3 * intermediateSize + ofPostNorms + ofHeadNorms)
}

/** Tokens whose activations fit into 1 GiB and whose widest tensor fits into one binding; 256 to 8192, on software adapters to 2048. */
export function scoringTokenBudget(
  config: DecoderConfig,
  { limits, lane }: Pick<GpuDevice, "limits" | "lane">,
): number {
  const byMemory = Math.floor(ACTIVATION_BYTES / layerBytesPerToken(config))
  const widest = Math.max(config.hiddenSize, config.intermediateSize, config.headCount * config.headSize)
  const byBinding = Math.floor(limits.maxStorageBufferBindingSize / 4 / widest)
  return Math.max(FEWEST_TOKENS, Math.min(MOST_TOKENS[lane], byMemory, byBinding))
}
