// The demo model's tokenizer files, trained on the corpus. Run: node infra/demo/recipe/tokenizer.ts
import { PIECE_PATTERN, trainBytePairs } from "./byte-pair-encoding.ts"
import { corpusRows, rowTexts } from "./corpus.ts"
import { documentOf, writeOutput } from "./outputs.ts"

/** Ids 0 to 5; the 256 bytes follow, then the merges. */
export const SPECIAL_TOKENS = ["<|bos|>", "<|eos|>", "<|user|>", "<|assistant|>", "<|end|>", "<|system|>"] as const
const BOS_ID = 0
const EOS_ID = 1
const END_ID = 4
export const VOCABULARY_SIZE = 3072
/** The first rows of the corpus are enough: every sentence form occurs in them many times. */
const TOKENIZER_ROWS = 20_000

/** A turn is its role's token, the content, and <|end|>; the assistant's role token belongs to the prompt. */
export const CHAT_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"

interface TokenizerFiles {
  readonly tokenizer: object
  readonly tokenizerConfig: object
  readonly vocabularySize: number
}

/** tokenizer.json and tokenizer_config.json in the layout of Hugging Face's tokenizers library. */
export function tokenizerFiles(): TokenizerFiles {
  const encoding = trainBytePairs(corpusTexts(), VOCABULARY_SIZE - SPECIAL_TOKENS.length)
  const vocabulary = [...SPECIAL_TOKENS, ...encoding.tokens]
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({ id, content, ...addedToken })),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: PIECE_PATTERN }, behavior: "Isolated", invert: false },
        byteLevel,
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: SPECIAL_TOKENS[BOS_ID], type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [
        { SpecialToken: { id: SPECIAL_TOKENS[BOS_ID], type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { Sequence: { id: "B", type_id: 1 } },
      ],
      special_tokens: {
        [SPECIAL_TOKENS[BOS_ID]]: { id: SPECIAL_TOKENS[BOS_ID], ids: [BOS_ID], tokens: [SPECIAL_TOKENS[BOS_ID]] },
      },
    },
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges: encoding.merges.map(([left, right]) => `${left} ${right}`),
    },
  }
  return { tokenizer, tokenizerConfig, vocabularySize: vocabulary.length }
}

function* corpusTexts(): Generator<string> {
  for (const row of corpusRows(undefined, TOKENIZER_ROWS)) yield* rowTexts(row)
}

const addedToken = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false }

const tokenizerConfig = {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: SPECIAL_TOKENS[BOS_ID],
  eos_token: SPECIAL_TOKENS[EOS_ID],
  add_bos_token: true,
  add_eos_token: false,
  clean_up_tokenization_spaces: false,
  model_max_length: 512,
  added_tokens_decoder: Object.fromEntries(SPECIAL_TOKENS.map((content, id) => [id, { content, ...addedToken }])),
  chat_template: CHAT_TEMPLATE,
}

/** config.json: a Llama decoder of about 1.2 M parameters. */
export function modelConfig(vocabularySize: number): object {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: vocabularySize,
    hidden_size: 128,
    intermediate_size: 384,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    hidden_act: "silu",
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: true,
    initializer_range: 0.02,
    bos_token_id: BOS_ID,
    eos_token_id: [EOS_ID, END_ID],
    torch_dtype: "float32",
  }
}

export const generationConfig = {
  bos_token_id: BOS_ID,
  eos_token_id: [EOS_ID, END_ID],
  do_sample: false,
  max_new_tokens: 96,
}

export const MODEL_FOLDER = "infra/demo/model"

if (import.meta.main) {
  const { tokenizer, tokenizerConfig, vocabularySize } = tokenizerFiles()
  await writeOutput(`${MODEL_FOLDER}/tokenizer.json`, documentOf(tokenizer))
  await writeOutput(`${MODEL_FOLDER}/tokenizer_config.json`, documentOf(tokenizerConfig))
  await writeOutput(`${MODEL_FOLDER}/config.json`, documentOf(modelConfig(vocabularySize)))
  await writeOutput(`${MODEL_FOLDER}/generation_config.json`, documentOf(generationConfig))
}
