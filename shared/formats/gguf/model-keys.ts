// What llama.cpp is told of a decoder: the keys that its architecture reads. What those cannot say is refused by name, or mended by
// a shorter context in which it makes no difference, which is told. Source: llama.cpp, gguf-py/gguf/constants.py, src/llama-model.cpp
// and src/models/{llama,qwen2,qwen3,gemma2,gemma3}.cpp.
import type { DecoderConfig, RopeOptions } from "../families/decoder-config.ts"
import { ropeFrequencies } from "../families/rope-frequencies.ts"
import { type GgufMetadata, type GgufValue, InvalidGguf } from "./container.ts"
import { ggufArchitecture } from "./names.ts"

export interface GgufModelKeys {
  readonly metadata: GgufMetadata
  /** By what llama.cpp divides the frequency of each pair of channels (its tensor rope_freqs.weight); undefined where it is by nothing. */
  readonly ropeFactors: Float32Array | undefined
  /** What is not in llama.cpp as it is here, each a sentence for people. */
  readonly differences: readonly string[]
}

/** The keys of a decoder. Throws InvalidGguf, naming what llama.cpp cannot be told. */
export function ggufModelKeys(config: DecoderConfig): GgufModelKeys {
  checkExpressible(config)
  const architecture = ggufArchitecture(config)
  const key = (name: string, value: GgufValue) => [`${architecture}.${name}`, value] as const
  const whole = (name: string, value: number) => key(name, { type: "uint32", value })
  const real = (name: string, value: number) => key(name, { type: "float32", value })
  const { contextLength, window, period, differences } = attentionSpan(config)
  const rope = fullRope(config)
  const sliding = slidingRope(config)
  const metadata = [
    whole("context_length", contextLength),
    whole("embedding_length", config.hiddenSize),
    whole("block_count", config.layerCount),
    whole("feed_forward_length", config.intermediateSize),
    whole("attention.head_count", config.headCount),
    whole("attention.head_count_kv", config.keyValueHeadCount),
    whole("attention.key_length", config.headSize),
    whole("attention.value_length", config.headSize),
    real("attention.layer_norm_rms_epsilon", config.rmsNormEpsilon),
    whole("vocab_size", config.vocabularySize),
    whole("rope.dimension_count", config.headSize),
    real("rope.freq_base", rope.theta),
    ...(rope.scaling?.type === "linear"
      ? [
          key("rope.scaling.type", { type: "string", value: "linear" }),
          real("rope.scaling.factor", rope.scaling.factor),
        ]
      : []),
    ...(sliding === undefined ? [] : [real("rope.freq_base_swa", sliding.theta)]),
    ...(window === undefined ? [] : [whole("attention.sliding_window", window)]),
    ...(period === undefined ? [] : [whole("attention.sliding_window_pattern", period)]),
    ...(config.attentionSoftCap === undefined ? [] : [real("attn_logit_softcapping", config.attentionSoftCap)]),
    ...(config.finalSoftCap === undefined ? [] : [real("final_logit_softcapping", config.finalSoftCap)]),
  ]
  return { metadata, ropeFactors: ropeFactorsOf(config, rope), differences }
}

function checkExpressible(config: DecoderConfig): void {
  const { family } = config
  const refused = (what: string, mend: string) => {
    throw new InvalidGguf(`llama.cpp's ${ggufArchitecture(config)} has no ${what}; ${mend}`)
  }
  if (family === "qwen2" && config.headCount * config.headSize !== config.hiddenSize) {
    refused(
      `heads whose sizes do not add up to hidden_size (${config.headCount} of ${config.headSize}, ${config.hiddenSize})`,
      "export it as merged for another runtime",
    )
  }
  if (family === "gemma2" && (config.attentionSoftCap === undefined || config.finalSoftCap === undefined)) {
    refused("model without both soft caps", "set attn_logit_softcapping and final_logit_softcapping")
  }
  if (family === "gemma2" && !config.tieWordEmbeddings) refused("head of its own (lm_head)", "tie it to the embedding")
  const [first, ...others] = ropesOf(config)
  const isTold = family === "gemma3" ? others.length < 2 : others.length === 0
  if (first === undefined || !isTold) refused("rotary positions that differ so between layers", "use another runtime")
}

function slides(config: DecoderConfig): boolean {
  return config.family === "gemma2" || config.family === "gemma3"
}

function ropesOf({ layers }: DecoderConfig): RopeOptions[] {
  const byText = new Map(layers.map(({ rope }) => [JSON.stringify(rope), rope]))
  return [...byText.values()]
}

/** Of the layers without a window, or of all where each has one. */
function fullRope({ layers }: DecoderConfig): RopeOptions {
  return (layers.find(({ window }) => window === undefined) ?? layers[0]!).rope
}

/** Of sliding layers, where the architecture knows such. Throws InvalidGguf where llama.cpp would turn them otherwise. */
function slidingRope(config: DecoderConfig): RopeOptions | undefined {
  const rope = config.layers.find(({ window }) => window !== undefined)?.rope
  if (rope === undefined || !slides(config)) return undefined
  if (config.family === "gemma3" && rope.scaling !== undefined && rope.scaling.type !== "dynamic") {
    throw new InvalidGguf(
      `llama.cpp's gemma3 has no rotary scaling ${rope.scaling.type} of sliding layers; use a model without it`,
    )
  }
  return rope
}

/**
 * Windows as llama.cpp has them: of one size, on every layer but each period-th, in Gemma only. Where the model's are others, no
 * position is far enough within a context of their size.
 */
function attentionSpan(config: DecoderConfig) {
  const windows = config.layers.flatMap(({ window }) => (window === undefined ? [] : [window]))
  const shortest = windows.length === 0 ? undefined : Math.min(...windows)
  const reach = config.maxPositions
  if (shortest === undefined) {
    // Gemma 2's graph always has a window.
    const window = config.family === "gemma2" ? reach : undefined
    return { contextLength: reach, window, period: undefined, differences: [] }
  }
  const period = slides(config) && windows.every((window) => window === shortest) ? periodOf(config) : undefined
  if (period !== undefined) return { contextLength: reach, window: shortest, period, differences: [] }
  const contextLength = Math.min(reach, shortest)
  const why = slides(config) ? "which layers slide" : "sliding windows"
  const differences =
    contextLength === reach
      ? []
      : [
          `context_length is ${contextLength}, the window, instead of ${reach}: llama.cpp cannot be told ${why} of this model`,
        ]
  if (config.family === "gemma3" && ropesOf(config).length > 1) {
    throw new InvalidGguf("llama.cpp's gemma3 slides on all but every n-th layer; this model's layer_types are others")
  }
  return { contextLength, window: slides(config) ? contextLength : undefined, period: undefined, differences }
}

/** n where every n-th layer, and no other, is full; 0 where none is, undefined where it is otherwise. */
function periodOf({ layers }: DecoderConfig): number | undefined {
  const firstFull = layers.findIndex(({ window }) => window === undefined)
  if (firstFull < 0) return 0
  const period = firstFull + 1
  const isRegular = layers.every(({ window }, layer) => (window === undefined) === (layer % period === period - 1))
  return isRegular ? period : undefined
}

/** Llama 3's scaling is no key but a tensor; llama.cpp reads it in architecture llama. */
function ropeFactorsOf(config: DecoderConfig, { theta, scaling }: RopeOptions): Float32Array | undefined {
  if (scaling?.type !== "llama3") return undefined
  if (ggufArchitecture(config) !== "llama") {
    throw new InvalidGguf(`llama.cpp's ${config.family} has no rotary scaling llama3; use a model without it`)
  }
  const plain = ropeFrequencies({ headSize: config.headSize, theta })
  const turned = ropeFrequencies({ headSize: config.headSize, theta, scaling })
  return Float32Array.from(plain, (frequency, pair) => frequency / turned[pair]!)
}
