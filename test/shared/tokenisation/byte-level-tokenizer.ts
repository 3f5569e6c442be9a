// A tiny byte-level BPE tokenizer in the tokenizer.json format: 256 bytes, a few merges, four special tokens.

export const SPECIAL_TOKENS = ["<s>", "</s>", "<|user|>", "<|assistant|>"] as const
export const BOS = 0
export const EOS = 1
export const USER = 2
export const ASSISTANT = 3
const MERGES = ["t e", "te a", "Ġ tea", "h o", "ho t"] as const

/** GPT-2's printable stand-ins for the 256 bytes, in byte order. */
function byteCharacters(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    return String.fromCharCode(isPrintable ? byte : next++)
  })
}

const vocabularyOf = (merges: readonly string[]): readonly string[] => [
  ...SPECIAL_TOKENS,
  ...byteCharacters(),
  ...merges.map((merge) => merge.replace(" ", "")),
]

const VOCABULARY = vocabularyOf(MERGES)
export const VOCABULARY_SIZE = VOCABULARY.length

/** Ids of a text's UTF-8 bytes, for texts that no merge touches. */
export function byteIds(text: string): number[] {
  return [...new TextEncoder().encode(text)].map((byte) => SPECIAL_TOKENS.length + byte)
}

/** Id of a merged token such as "tea" or " tea". */
export function mergedId(text: string): number {
  return VOCABULARY.indexOf(text.replace(" ", "Ġ"))
}

/** tokenizer.json; the BOS is put before a text unless told otherwise. More special tokens get the ids after the vocabulary. */
export function tokenizerJson(
  options: {
    readonly addsBos?: boolean
    readonly moreSpecialTokens?: readonly string[]
    readonly merges?: readonly string[]
  } = {},
) {
  const addsBos = options.addsBos ?? true
  const more = options.moreSpecialTokens ?? []
  const merges = options.merges ?? MERGES
  const vocabulary = vocabularyOf(merges)
  const sequence = { Sequence: { id: "A", type_id: 0 } }
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...SPECIAL_TOKENS, ...more].map((content, index) => {
      const id = index < SPECIAL_TOKENS.length ? index : vocabulary.length + index - SPECIAL_TOKENS.length
      return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
    }),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: "TemplateProcessing",
      single: addsBos ? [{ SpecialToken: { id: "<s>", type_id: 0 } }, sequence] : [sequence],
      pair: [sequence, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { "<s>": { id: "<s>", ids: [BOS], tokens: ["<s>"] } },
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
      merges,
    },
  }
}

/** Every turn is "<|role|>content</s>\n", with the BOS in front. */
export const CHAT_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}" +
  "{% if message.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" +
  "{{ '<|' + message.role + '|>' + message.content + eos_token + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"

export const tokenizerConfigJson = {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: "<s>",
  eos_token: { content: "</s>", lstrip: false, normalized: false, rstrip: false, single_word: false },
  chat_template: CHAT_TEMPLATE,
}
