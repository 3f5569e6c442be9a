// How many tokens are computed at once. Results do not depend on it; memory and speed do.
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { DecoderConfig } from "#shared/formats/decoder-config.ts"

const ACTIVATION_BYTES = 2 ** 30
const MOST_TOKENS = 8192
const FEWEST_TOKENS = 256

/** Bytes of the activations that a training step keeps for each of its tokens, without those of an adapter. */
export function activationBytesPerToken(config: DecoderConfig): number {
  const queries = config.headCount * config.headSize
  const keys = config.keyValueHeadCount * config.headSize
  const { hiddenSize, intermediateSize, layerCount } = config
  const ofPostNorms = config.postNorms ? 2 * hiddenSize : 0
  const ofHeadNorms = config.queryKeyNorm ? queries + keys : 0
  const floatsPerLayer = 5 * hiddenSize + 2 * queries + 2 * keys + 3 * intermediateSize + ofPostNorms + ofHeadNorms
  return 4 * floatsPerLayer * layerCount
}

/** Tokens whose kept activations fit into 1 GiB and whose widest tensor fits into one binding; 256 to 8192. */
export function defaultTokenBudget(config: DecoderConfig, limits: GpuDevice["limits"]): number {
  const byMemory = Math.floor(ACTIVATION_BYTES / activationBytesPerToken(config))
  const widest = Math.max(config.hiddenSize, config.intermediateSize, config.headCount * config.headSize)
  const byBinding = Math.floor(limits.maxStorageBufferBindingSize / 4 / widest)
  return Math.max(FEWEST_TOKENS, Math.min(MOST_TOKENS, byMemory, byBinding))
}
