// Which of a tokenizer's files says what its BOS and EOS are, and what is said of a file that is not there in truth.
import { expect, test } from "vitest"
import { InvalidTokenizer, Tokenisation, type TokenisationFiles } from "#shared/tokenisation/tokenisation.ts"
import { ASSISTANT, BOS, byteIds, EOS, tokenizerJson, USER, VOCABULARY_SIZE } from "./byte-level-tokenizer.ts"

const template =
  "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}" +
  "{% if add_generation_prompt %}<|assistant|>{% endif %}"
const map = JSON.stringify({ bos_token: "<s>", eos_token: { content: "</s>", lstrip: false } })

function answered(config: object, more: Partial<TokenisationFiles>) {
  const tokenisation = Tokenisation.fromFiles({
    tokenizerJson: tokenizerJson({ addsBos: false }),
    tokenizerConfigJson: { chat_template: template, ...config },
    ...more,
  })
  const texts = { prompt: [{ role: "user", content: "q" }], response: [{ role: "assistant", content: "a" }] }
  const result = tokenisation.tokeniseResponse(texts, { maxLength: 99 })
  return result._tag === "Tokenised" && [[...result.promptIds], [...result.responseIds]]
}

test("BOS and EOS that only special_tokens_map.json names are the model's, as in transformers 4", () => {
  expect(answered({}, { specialTokensMapJson: map })).toEqual([
    [BOS, USER, ...byteIds("q"), EOS, ASSISTANT],
    [...byteIds("a"), EOS],
  ])
})

test("the map comes before a config of before added_tokens_decoder, and is not read beside one", () => {
  const other = { bos_token: "</s>", eos_token: "<|assistant|>" }
  const expected = [
    [BOS, USER, ...byteIds("q"), EOS, ASSISTANT],
    [...byteIds("a"), EOS],
  ]
  expect(answered(other, { specialTokensMapJson: map })).toEqual(expected)
  expect(answered({ ...other, added_tokens_decoder: {} }, { specialTokensMapJson: map })).toEqual([
    [EOS, USER, ...byteIds("q"), ASSISTANT, ASSISTANT],
    [...byteIds("a"), ASSISTANT],
  ])
})

test("a token of the map that the tokenizer lacks is named", () => {
  const specialTokensMapJson = JSON.stringify({ bos_token: "<bos>" })
  expect(() => answered({}, { specialTokensMapJson })).toThrow(/bos_token "<bos>", which tokenizer\.json lacks/)
  expect(() => answered({}, { specialTokensMapJson: "{" })).toThrow("special_tokens_map.json is not JSON")
})

test("added tokens of tokenizer_config.json are the tokenizer's too, and its flags count, as in transformers 4", () => {
  const read = (added_tokens_decoder: object) =>
    Tokenisation.fromFiles({ tokenizerJson: tokenizerJson(), tokenizerConfigJson: { added_tokens_decoder } })
  const user = {
    content: "<|user|>",
    special: true,
    normalized: false,
    lstrip: false,
    rstrip: true,
    single_word: false,
  }
  expect(read({}).encode("<|user|> a")).toEqual([USER, ...byteIds(" a")])
  expect(read({ [USER]: user }).encode("<|user|> a")).toEqual([USER, ...byteIds("a")])
  expect(read({ [VOCABULARY_SIZE]: { content: "<new>" } }).encode("a<new>")).toEqual([...byteIds("a"), VOCABULARY_SIZE])
  expect(() => read({ 9: { content: "<new>" } })).toThrow(`"<new>" has the id 9, and should have ${VOCABULARY_SIZE}`)
  expect(() => read({ 9: {} })).toThrow("added_tokens_decoder of tokenizer_config.json has no content for 9")
})

test("special tokens that are to be split into letters are refused: a chat template's marks would be none", () => {
  expect(() => answered({ split_special_tokens: true }, {})).toThrow(/split_special_tokens.*remove it/)
  expect(answered({ split_special_tokens: false }, { specialTokensMapJson: map })).not.toBe(false)
})

test("a Git LFS pointer in the place of a file is called what it is, with the command that mends it", () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
  for (const [field, file] of [
    ["tokenizerJson", "tokenizer.json"],
    ["tokenizerConfigJson", "tokenizer_config.json"],
    ["specialTokensMapJson", "special_tokens_map.json"],
    ["generationConfigJson", "generation_config.json"],
  ]) {
    const files = { [field!]: pointer }
    expect(() => answered({}, files)).toThrow(InvalidTokenizer)
    expect(() => answered({}, files)).toThrow(`${file} is a Git LFS pointer, not the file itself: run git lfs pull`)
  }
})

test.each([
  [
    "tokenizer.json",
    { tokenizerJson: JSON.stringify(tokenizerJson()).replace('"model":', '"model":null,"model":') },
    "model",
  ],
  ["tokenizer_config.json", { tokenizerConfigJson: '{"add_bos_token":true,"add_bos_token":false}' }, "add_bos_token"],
  ["special_tokens_map.json", { specialTokensMapJson: '{"bos_token":"<s>","bos_token":"</s>"}' }, "bos_token"],
  ["generation_config.json", { generationConfigJson: '{"eos_token_id":1,"eos_token_id":2}' }, "eos_token_id"],
  ["chat_template.json", { chatTemplateJson: '{"chat_template":"a","chat_template":"b"}' }, "chat_template"],
])("a key that %s holds twice is named: the last would win without a word", (file, files, key) => {
  const read = () => Tokenisation.fromFiles({ tokenizerJson: tokenizerJson(), tokenizerConfigJson: {}, ...files })
  expect(read).toThrow(InvalidTokenizer)
  expect(read).toThrow(`${file} holds "${key}" twice, and which counts would depend on the reader; remove one`)
})
