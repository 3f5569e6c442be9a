// The tokenizers of the differential test, by name: each has a part, or a combination, that models on the hub use.
import { byteLevelModel, characterModel, precompiledCharsmap, unigramModel } from "./vocabularies.ts"

type Json = Record<string, unknown>

const special = ["<unk>", "<s>", "</s>"].map((content, id) => token(id, content, { special: true }))

function token(id: number, content: string, flags: Json = {}) {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: false, ...flags }
}

/** tokenizer.json. Added tokens get the ids after the model's. */
export function tokenizer(model: Json, parts: Json = {}, added: readonly (Json & { content: string })[] = []) {
  const size = Array.isArray(model.vocab) ? model.vocab.length : Object.keys(model.vocab as object).length
  return {
    ...{ version: "1.0", truncation: null, padding: null, normalizer: null, pre_tokenizer: null },
    ...{ post_processor: null, decoder: null },
    added_tokens: [...special, ...added.map(({ content, ...flags }, index) => token(size + index, content, flags))],
    model,
    ...parts,
  }
}

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true }
const bytesOnly = { ...byteLevel, use_regex: false }
const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true }
const sequence = (pretokenizers: Json[]) => ({ type: "Sequence", pretokenizers })
const normalisers = (normalizers: Json[]) => ({ type: "Sequence", normalizers })
const regex = (Regex: string, behavior = "Isolated", invert = false) => ({
  ...{ type: "Split", pattern: { Regex }, behavior, invert },
})
const text = (wanted: string, behavior = "Isolated", invert = false) => ({
  ...{ type: "Split", pattern: { String: wanted }, behavior, invert },
})
const replace = (wanted: string, content: string) => ({ type: "Replace", pattern: { String: wanted }, content })
const template = (before: string[], after: string[] = []) => ({
  type: "TemplateProcessing",
  single: [
    ...before.map((id) => ({ SpecialToken: { id, type_id: 0 } })),
    { Sequence: { id: "A", type_id: 0 } },
    ...after.map((id) => ({ SpecialToken: { id, type_id: 0 } })),
  ],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: {
    "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] },
    "</s>": { id: "</s>", ids: [2], tokens: ["</s>"] },
  },
})
const llamaDecoder = {
  type: "Sequence",
  decoders: [
    replace("▁", " "),
    { type: "ByteFallback" },
    { type: "Fuse" },
    { type: "Strip", content: " ", start: 1, stop: 0 },
  ],
}
const llamaNormaliser = normalisers([{ type: "Prepend", prepend: "▁" }, replace(" ", "▁")])
const charsmap = precompiledCharsmap(
  new Map([
    ...([
      ["ﬁ", "fi"],
      ["Ａ", "A"],
      ["　", " "],
      ["\t", " "],
      ["\n", " "],
      ["\u0000", ""],
      ["é", "é"],
      ["e\u0301", "é"],
    ] as const),
    ...([
      ["a", "a"],
      ["\u200d", ""],
      ["\u00a0", " "],
      ["…", "..."],
      ["茶", "茶"],
      ["½", "1⁄2"],
      ["h", "H"],
    ] as const),
  ]),
)

// The expressions of GPT-2, Llama 3, Qwen 2, GPT-4o (Llama 4, Phi 4), DeepSeek, OLMo, StarCoder and Falcon.
export const EXPRESSIONS: Readonly<Record<string, string>> = {
  llama3:
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  qwen2:
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  gpt4o:
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  deepseek:
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  deepseekCjk: "[一-龥\u3040-ゟ゠-ヿ]+",
  cl100k:
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
  thousands: "(?=(\\d{3})+(?!\\d))",
  qwen35:
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  bloom: " ?[^(\\s|[.,!?…。，、।۔،])]+",
  words: "\\w+|[^\\w\\s]+",
}

const behaviours = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
const schemes = ["always", "first", "never"]
const flags = ["single_word", "lstrip", "rstrip", "normalized", "special"]

/** Added tokens, one for each set of flags. */
const flagged = Array.from({ length: 2 ** flags.length }, (_, bits) => ({
  content: ["<|user|>", "Zork", "<pad>", "day", "[X]", "tea", "  ", "##"][bits % 8] + (bits < 8 ? "" : String(bits)),
  ...Object.fromEntries(flags.map((flag, index) => [flag, (bits & (1 << index)) !== 0])),
}))
const spaces = [
  { content: "\n\n", normalized: false },
  { content: " ", normalized: false, single_word: true },
  { content: "<r>", rstrip: true },
  { content: "<l>", lstrip: true },
  { content: "<lr>", lstrip: true, rstrip: true, single_word: true },
]

const bpe = characterModel()
const gpt = byteLevelModel()
const unigram = unigramModel(false)
const split = (part: Json) => tokenizer(gpt, { pre_tokenizer: sequence([part, bytesOnly]), decoder: byteLevel })
const normalised = (normalizer: Json) => tokenizer(gpt, { normalizer, pre_tokenizer: byteLevel, decoder: byteLevel })

export const TOKENIZERS: Readonly<Record<string, ReturnType<typeof tokenizer>>> = {
  // Models
  "BPE with byte fallback as Llama 2": tokenizer(bpe, {
    ...{ normalizer: llamaNormaliser, post_processor: template(["<s>"]), decoder: llamaDecoder },
  }),
  "BPE with byte fallback, unknown not fused": tokenizer(characterModel({ fuse_unk: false })),
  "BPE without bytes, unknown fused": tokenizer(characterModel({}, false)),
  "BPE without bytes, unknown not fused": tokenizer(characterModel({ fuse_unk: false }, false)),
  "BPE without an unknown token": tokenizer(characterModel({ unk_token: null }, false)),
  "BPE with some bytes only": tokenizer(
    characterModel({
      vocab: Object.fromEntries(Object.entries(bpe.vocab).map(([each, id]) => [each === "<0xE3>" ? "?!" : each, id])),
    }),
  ),
  "BPE with prefix and suffix": tokenizer(
    characterModel({ continuing_subword_prefix: "##", end_of_word_suffix: "</w>" }, false),
    { pre_tokenizer: { type: "WhitespaceSplit" }, decoder: { type: "BPEDecoder", suffix: "</w>" } },
  ),
  "BPE that ignores merges": tokenizer(byteLevelModel({ ignore_merges: true }), { pre_tokenizer: byteLevel }),
  Unigram: tokenizer(unigram, { pre_tokenizer: metaspace, decoder: metaspace }),
  "Unigram with byte fallback": tokenizer(unigramModel(true), { pre_tokenizer: metaspace, decoder: llamaDecoder }),
  "Unigram on the whole text": tokenizer(unigramModel(true), { post_processor: template(["<s>"], ["</s>"]) }),
  "Unigram as T5": tokenizer(unigram, {
    normalizer: normalisers([
      { type: "Precompiled", precompiled_charsmap: charsmap },
      { type: "Strip", strip_left: false, strip_right: true },
      { type: "Replace", pattern: { Regex: " {2,}" }, content: "▁" },
    ]),
    ...{ pre_tokenizer: metaspace, post_processor: template([], ["</s>"]), decoder: metaspace },
  }),
  // Metaspace
  ...Object.fromEntries(
    schemes.flatMap((prepend_scheme) =>
      [true, false].flatMap((splits) =>
        [false, true].map((hasAdded) => [
          `Metaspace ${prepend_scheme}, split ${splits}${hasAdded ? ", added tokens" : ""}`,
          tokenizer(
            bpe,
            { pre_tokenizer: { ...metaspace, prepend_scheme, split: splits }, decoder: llamaDecoder },
            hasAdded ? [...flagged, ...spaces] : [],
          ),
        ]),
      ),
    ),
  ),
  "Metaspace of old": tokenizer(bpe, {
    pre_tokenizer: { type: "Metaspace", replacement: "▁", str_rep: "_", add_prefix_space: true },
  }),
  "Metaspace of old without prefix": tokenizer(bpe, {
    pre_tokenizer: { type: "Metaspace", replacement: "▁", add_prefix_space: false, prepend_scheme: "never" },
  }),
  "Metaspace first after NFC": tokenizer(bpe, {
    normalizer: { type: "NFC" },
    pre_tokenizer: { ...metaspace, prepend_scheme: "first" },
  }),
  "Metaspace first after Prepend and Replace": tokenizer(
    bpe,
    {
      ...{ normalizer: llamaNormaliser, pre_tokenizer: { ...metaspace, prepend_scheme: "first" } },
    },
    [{ content: "Zork" }],
  ),
  // Added tokens
  "added tokens with every flag, BPE": tokenizer(bpe, { normalizer: llamaNormaliser }, [...flagged, ...spaces]),
  "added tokens with every flag, byte level": tokenizer(gpt, { pre_tokenizer: byteLevel, decoder: byteLevel }, [
    ...flagged,
    ...spaces,
  ]),
  "added tokens with every flag, lower case": tokenizer(
    gpt,
    { normalizer: normalisers([{ type: "NFC" }, { type: "Lowercase" }]), pre_tokenizer: byteLevel, decoder: byteLevel },
    flagged,
  ),
  "added tokens with every flag, bytes as normaliser": tokenizer(
    gpt,
    { normalizer: { type: "ByteLevel" }, decoder: byteLevel },
    flagged,
  ),
  "added tokens of white space": tokenizer(gpt, { pre_tokenizer: byteLevel }, spaces),
  // Normalisers
  ...Object.fromEntries(
    ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"].map((type) => [
      `normaliser ${type}`,
      normalised({ type }),
    ]),
  ),
  "normaliser Strip": normalised({ type: "Strip", strip_left: true, strip_right: true }),
  "normaliser Strip left": normalised({ type: "Strip", strip_left: true, strip_right: false }),
  "normaliser Prepend": normalised({ type: "Prepend", prepend: "to " }),
  "normaliser Replace of a text": normalised(replace("te", "<s>")),
  "normaliser Replace of an expression": normalised({
    type: "Replace",
    pattern: { Regex: "\\s+|[aeiou]{2,}" },
    content: "$1",
  }),
  "normaliser Precompiled": normalised({ type: "Precompiled", precompiled_charsmap: charsmap }),
  "normalisers in a row": normalised(
    normalisers([{ type: "NFD" }, { type: "StripAccents" }, { type: "Lowercase" }, replace(" ", "_")]),
  ),
  // Pre-tokenisers
  ByteLevel: tokenizer(gpt, { pre_tokenizer: byteLevel, post_processor: byteLevel, decoder: byteLevel }),
  "ByteLevel with a space before": tokenizer(gpt, { pre_tokenizer: { ...byteLevel, add_prefix_space: true } }, flagged),
  "ByteLevel without its expression": tokenizer(
    gpt,
    { pre_tokenizer: { ...bytesOnly, add_prefix_space: true } },
    spaces,
  ),
  ...Object.fromEntries(
    Object.entries(EXPRESSIONS).map(([name, source]) => [`Split as ${name}`, split(regex(source))]),
  ),
  ...Object.fromEntries(
    behaviours.flatMap((behavior) => [
      [`Split ${behavior} of a text`, split(text("te", behavior))],
      [`Split ${behavior} of a text, inverted`, split(text(" ", behavior, true))],
      [`Split ${behavior} of an expression`, split(regex("\\s+|\\p{L}{3}", behavior))],
      [`Split ${behavior} of an expression, inverted`, split(regex("\\p{L}+|\\d", behavior, true))],
      [`Split ${behavior} where nothing is matched`, split(regex("(?=o)|x*", behavior))],
      [`Punctuation ${behavior}`, split({ type: "Punctuation", behavior })],
    ]),
  ),
  Digits: split({ type: "Digits", individual_digits: false }),
  "Digits one by one": split({ type: "Digits", individual_digits: true }),
  Punctuation: split({ type: "Punctuation" }),
  Whitespace: split({ type: "Whitespace" }),
  WhitespaceSplit: split({ type: "WhitespaceSplit" }),
  BertPreTokenizer: split({ type: "BertPreTokenizer" }),
  CharDelimiterSplit: split({ type: "CharDelimiterSplit", delimiter: "e" }),
  FixedLength: split({ type: "FixedLength", length: 3 }),
  "pre-tokenisers in a row as DeepSeek": tokenizer(gpt, {
    pre_tokenizer: sequence([
      regex("\\p{N}{1,3}"),
      regex(EXPRESSIONS.deepseekCjk!),
      regex(EXPRESSIONS.deepseek!),
      bytesOnly,
    ]),
    decoder: byteLevel,
  }),
  "Gemma: Replace, Split of a space": tokenizer(
    bpe,
    {
      normalizer: replace(" ", "▁"),
      pre_tokenizer: text(" ", "MergedWithPrevious"),
      ...{
        post_processor: template(["<s>"]),
        decoder: { type: "Sequence", decoders: [replace("▁", " "), { type: "ByteFallback" }, { type: "Fuse" }] },
      },
    },
    spaces,
  ),
  // Post-processors
  "TemplateProcessing on both sides": tokenizer(gpt, {
    pre_tokenizer: byteLevel,
    post_processor: template(["<s>", "<s>"], ["</s>"]),
  }),
  "post-processors in a row": tokenizer(gpt, {
    pre_tokenizer: byteLevel,
    post_processor: { type: "Sequence", processors: [byteLevel, template(["<s>"], ["</s>"])] },
  }),
  RobertaProcessing: tokenizer(gpt, {
    pre_tokenizer: byteLevel,
    post_processor: {
      type: "RobertaProcessing",
      sep: ["</s>", 2],
      cls: ["<s>", 1],
      trim_offsets: true,
      add_prefix_space: false,
    },
  }),
  BertProcessing: tokenizer(gpt, {
    pre_tokenizer: byteLevel,
    post_processor: { type: "BertProcessing", sep: ["</s>", 2], cls: ["<s>", 1] },
  }),
}
