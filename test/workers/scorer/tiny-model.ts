// A Llama-layout model of two layers with seeded weights and a byte-level tokenizer, as the files a user would register.

import { sha256Hex } from "#shared/formats/digest.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { exportLlamaOnnx } from "#shared/formats/onnx/export-llama.ts"
import { tensorOf, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"

const SPECIAL_TOKENS = ["<s>", "</s>", "<|user|>", "<|assistant|>"] as const
const MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "a n", "t h"] as const

/** GPT-2's printable stand-ins for the 256 bytes, in byte order. */
const byteCharacters = (): string[] => {
  const isPrintable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
}

const vocabulary = [...SPECIAL_TOKENS, ...byteCharacters(), ...MERGES.map((merge) => merge.replace(" ", ""))]

const tokenizerJson = JSON.stringify({
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: SPECIAL_TOKENS.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] } },
  },
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
    merges: MERGES,
  },
})

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

const makeConfigJson = (maxPositions: number) =>
  JSON.stringify({
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: vocabulary.length,
    hidden_size: 32,
    intermediate_size: 48,
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
export const makeTinyModel = async (seed: number, maxPositions = 256): Promise<TinyModel> => {
  const configJson = makeConfigJson(maxPositions)
  const config = parseDecoderConfig(configJson)
  const shapes = decoderTensorShapes(config)
  const weights = makeWeights(seed, shapes)
  const tensors = new Map([...weights].map(([name, values]) => [name, tensorOf(name, shapes.get(name)!, values)]))
  const text = (content: string) => new TextEncoder().encode(content) as Uint8Array<ArrayBuffer>
  const contents = {
    "config.json": text(configJson),
    "model.safetensors": writeSafetensors(tensors.values()),
    "model.onnx": exportLlamaOnnx({ config, tensors }),
    "tokenizer.json": text(tokenizerJson),
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
  Tokenisation.fromFiles({ tokenizerJson, tokenizerConfigJson, vocabularySize: vocabulary.length })
