// What is not computed as the Rust library does is refused by its name, and what no library takes is a fault.
import { Tokenizer } from "tokenizers"
import { describe, expect, test } from "vitest"
import { Encoder } from "#shared/tokenisation/encoder/encoder.ts"
import { InvalidTokenizer } from "#shared/tokenisation/tokenisation.ts"
import { tokenizer } from "./tokenizers.ts"
import { byteLevelModel, characterModel, unigramModel } from "./vocabularies.ts"

const model = byteLevelModel()
const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true }
const sequence = (...pretokenizers: object[]) => ({ pre_tokenizer: { type: "Sequence", pretokenizers } })
const template = (single: object[]) => ({
  type: "TemplateProcessing",
  ...{ single, pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }] },
  special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
})
const bos = { SpecialToken: { id: "<s>", type_id: 0 } }
const text = { Sequence: { id: "A", type_id: 0 } }

const REFUSED: readonly (readonly [string, object, string])[] = [
  ["WordPiece", { model: { ...model, type: "WordPiece" } }, "a model of type WordPiece"],
  ["WordLevel", { model: { ...model, type: "WordLevel" } }, "a model of type WordLevel"],
  ["dropout", { model: byteLevelModel({ dropout: 0.1 }) }, "BPE with dropout"],
  ["BertNormalizer", { normalizer: { type: "BertNormalizer" } }, "the normalizer BertNormalizer"],
  ["Nmt", { normalizer: { type: "Sequence", normalizers: [{ type: "Nmt" }] } }, "the normalizer Nmt"],
  ["UnicodeScripts", { pre_tokenizer: { type: "UnicodeScripts" } }, "the pre_tokenizer UnicodeScripts"],
  ["CTC", { decoder: { type: "CTC" } }, "the decoder CTC"],
  ["an unknown post-processor", { post_processor: { type: "Other" } }, "the post_processor Other"],
  [
    "an empty text to split by",
    { pre_tokenizer: { type: "Split", pattern: { String: "" }, behavior: "Isolated", invert: false } },
    "an empty text to split or replace by",
  ],
  [
    "an expression that JavaScript cannot express",
    { pre_tokenizer: { type: "Split", pattern: { Regex: "(?>a)\\K(?~b)" }, behavior: "Isolated", invert: false } },
    "the regular expression",
  ],
  [
    "Metaspace first behind another",
    sequence({ type: "WhitespaceSplit" }, metaspace),
    "after the pre_tokenizer WhitespaceSplit",
  ],
  [
    "Metaspace first after what removes",
    { normalizer: { type: "Strip", strip_left: true, strip_right: true }, pre_tokenizer: metaspace },
    'Metaspace with prepend_scheme "first" after the normalizer Strip',
  ],
  ["a template without its text", { post_processor: template([bos]) }, "does not name its text once"],
  ["a template with its text twice", { post_processor: template([text, text]) }, "does not name its text once"],
  [
    "two templates in a row",
    { post_processor: { type: "Sequence", processors: [template([bos, text]), template([bos, text])] } },
    "several post-processors that add tokens",
  ],
]

test.each(REFUSED)("%s is refused by name, with the mend", (_, parts, named) => {
  const json = { ...tokenizer(model), ...parts }
  expect(() => new Encoder(json)).toThrow(InvalidTokenizer)
  expect(() => new Encoder(json)).toThrow(named)
  expect(() => new Encoder(json)).toThrow(/use a model whose tokenizer is BPE or Unigram with the usual parts/)
})

const added = (token: object) => ({
  added_tokens: [
    {
      id: 0,
      content: "<unk>",
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
      ...token,
    },
  ],
})
const FAULTS: readonly (readonly [string, object, string])[] = [
  ["no model", { model: null }, "it has no model"],
  ["a part without a type", { normalizer: {} }, "normalizer is no object with a type"],
  ["a merge of tokens that are not there", { model: { ...model, merges: [["a", "?!"]] } }, 'the merges name "?!"'],
  ["a merge of three", { model: characterModel({ merges: ["a b c"] }) }, "is no pair"],
  ["an unk_id outside the vocabulary", { model: unigramModel(false, { unk_id: 9999 }) }, "unk_id is outside the vocab"],
  [
    "Metaspace that does and does not add a prefix",
    { pre_tokenizer: { type: "Metaspace", replacement: "▁", add_prefix_space: false } },
    'add_prefix_space false, and prepend_scheme "always"',
  ],
  ["a Metaspace of two characters", { pre_tokenizer: { ...metaspace, replacement: "▁▁" } }, "is not one character"],
  [
    "Split without a behaviour",
    { pre_tokenizer: { type: "Split", pattern: { String: "a" }, invert: false } },
    "the behavior undefined",
  ],
]

describe.each(FAULTS)("%s", (_, parts, named) => {
  const json = { ...tokenizer(model), ...parts }

  test("is a fault of the file", () => {
    expect(() => new Encoder(json)).toThrow(InvalidTokenizer)
    expect(() => new Encoder(json)).toThrow(named)
    expect(() => new Encoder(json)).toThrow(/^tokenizer\.json cannot be used: .*; fetch the model folder again$/)
  })

  test("is one for the Rust library too", () => {
    expect(() => Tokenizer.fromString(JSON.stringify(json))).toThrow()
  })
})

test("a character map that is cut off is a fault of the file (it ends the Rust library's whole process)", () => {
  const json = { ...tokenizer(model), normalizer: { type: "Precompiled", precompiled_charsmap: "/////w==" } }
  expect(() => new Encoder(json)).toThrow("tokenizer.json cannot be used: precompiled_charsmap is cut off")
})

test("an added token whose id the library would not give it is refused: it would mean another row of the embedding", () => {
  const size = Object.keys(model.vocab).length
  const late = { ...tokenizer(model), ...added({ id: size + 5, content: "<new>" }) }
  expect(() => new Encoder(late)).toThrow(`the added token "<new>" has the id ${size + 5}, and should have ${size}`)
  expect(Tokenizer.fromString(JSON.stringify(late)).tokenToId("<new>")).toBe(size)
})

test("two added tokens that normalisation makes one are refused: which of them the library finds is chance", () => {
  const size = Object.keys(model.vocab).length
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: true, special: false }
  const added_tokens = ["Day", "day"].map((content, index) => ({ id: size + index, content, ...flags }))
  const json = { ...tokenizer(model), normalizer: { type: "Lowercase" }, added_tokens }
  expect(() => new Encoder(json)).toThrow('two added tokens that are "day" after normalisation')
})

test("an unknown character without a token for it is an error, not a silent gap", () => {
  const encoder = new Encoder(tokenizer(unigramModel(false, { unk_id: null })))
  expect(() => encoder.encode("ab石")).toThrow('the vocab has no token for "石", and no unk_id')
})
