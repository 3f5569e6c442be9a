// A Llama-layout model of two layers with seeded weights and a byte-level tokenizer, as the files a user would register.

import { sha256Hex } from "#shared/formats/digest.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { tokenizerJson } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "a n", "t h"] as const
const tokenizer = tokenizerJson({ merges: MERGES })
const vocabularySize = Object.keys(tokenizer.model.vocab).length

const tokenizerConfigJson = JSON.stringify({
  tokenizer_class: "PreTrainedTokenizerFast",
  add_bos_token: true,
  add_eos_token: false,
  bos_token: "<s>",
  eos_token: "</s>",
  chat_template:
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" +
    "{{ '<|' + message.role + '|>' + message.content + eos_token }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
})

const makeConfigJson = (maxPositions: number, intermediateSize: number) =>
  JSON.stringify({
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: vocabularySize,
    hidden_size: 32,
    intermediate_size: intermediateSize,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    max_position_embeddings: maxPositions,
    tie_word_embeddings: true,
    bos_token_id: 0,
    eos_token_id: 1,
  })

/** Uniform in [−1, 1); mulberry32. */
const random = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1
  }
}

const makeWeights = (seed: number, shapes: ReadonlyMap<string, readonly number[]>): Map<string, Float32Array> => {
  const next = random(seed)
  const isNorm = (name: string) => name.endsWith("norm.weight")
  return new Map(
    [...shapes].map(([name, shape]) => {
      const length = shape.reduce((size, side) => size * side, 1)
      return [name, Float32Array.from({ length }, () => (isNorm(name) ? 1 + 0.3 * next() : 0.4 * next()))]
    }),
  )
}

export interface TinyModel {
  readonly config: ReturnType<typeof parseDecoderConfig>
  readonly weights: ReadonlyMap<string, Float32Array>
  /** File name -> bytes. */
  readonly contents: Readonly<Record<string, Uint8Array<ArrayBuffer>>>
  /** File name -> digest. */
  readonly files: Readonly<Record<string, string>>
}

/** The model of a seed. */
export const makeTinyModel = async (seed: number, maxPositions = 256, intermediateSize = 48): Promise<TinyModel> => {
  const configJson = makeConfigJson(maxPositions, intermediateSize)
  const config = parseDecoderConfig(configJson)
  const shapes = decoderTensorShapes(config)
  const weights = makeWeights(seed, shapes)
  const tensors = new Map([...weights].map(([name, values]) => [name, tensorOf(name, shapes.get(name)!, values)]))
  const text = (content: string) => new TextEncoder().encode(content) as Uint8Array<ArrayBuffer>
  const contents = {
    "config.json": text(configJson),
    "model.safetensors": writeSafetensors(tensors.values()),
    "model.onnx": exportOnnxGraph({ config, tensors }),
    "tokenizer.json": text(JSON.stringify(tokenizer)),
    "tokenizer_config.json": text(tokenizerConfigJson),
  }
  const digests = Object.entries(contents).map(async ([name, bytes]) => [name, await sha256Hex(bytes)] as const)
  return {
    config,
    weights,
    contents,
    files: Object.fromEntries(await Promise.all(digests)),
  }
}

/** The tokenizer that every tiny model shares. */
export const tinyTokenisation = (): Tokenisation =>
  Tokenisation.fromFiles({ tokenizerJson: tokenizer, tokenizerConfigJson, vocabularySize })
