// The demo's tokenizer: made again byte for byte, lossless, and the same through Hugging Face's own library.
import { Template } from "@huggingface/jinja"
import { describe, expect, test } from "vitest"
import { byteAlphabet, trainBytePairs } from "#infra/demo/recipe/byte-pair-encoding.ts"
import { corpusRows } from "#infra/demo/recipe/corpus.ts"
import { documentOf } from "#infra/demo/recipe/outputs.ts"
import { generationConfig, modelConfig, SPECIAL_TOKENS, tokenizerFiles } from "#infra/demo/recipe/tokenizer.ts"
import { committedText, committedTokenizer, contentIds } from "./committed.ts"

const tokenizer = committedTokenizer()

describe("the tokenizer trainer", () => {
  test("merges the most frequent pair first, and of equally frequent ones the pair of smaller ids", () => {
    const { tokens, merges } = trainBytePairs(["abab abab cdcd"], 260, 2)
    // Pieces: "abab", " abab", " cdcd". "ab" occurs four times; then "abab" and "cd" twice each, and c (99) is smaller than ab (256).
    expect(merges).toEqual([
      ["a", "b"],
      ["c", "d"],
      ["ab", "ab"],
    ])
    expect(tokens.slice(256)).toEqual(["ab", "cd", "abab"])
  })

  test("counts overlapping repeats as the merge uses them", () => {
    expect(trainBytePairs(["aaaa"], 300, 1).tokens.slice(256)).toEqual(["aa", "aaaa"])
  })

  test("gives every byte its own printable character", () => {
    const alphabet = byteAlphabet()
    expect(new Set(alphabet).size).toBe(256)
    expect([alphabet[0x41], alphabet[0x20], alphabet[0x0a]]).toEqual(["A", "Ġ", "Ċ"])
  })
})

describe("the demo's tokenizer", () => {
  test("is made again byte for byte from the recorded seed, with the configuration beside it", () => {
    const files = tokenizerFiles()
    expect(documentOf(files.tokenizer)).toBe(committedText("model/tokenizer.json"))
    expect(documentOf(files.tokenizerConfig)).toBe(committedText("model/tokenizer_config.json"))
    expect(documentOf(modelConfig(files.vocabularySize))).toBe(committedText("model/config.json"))
    expect(documentOf(generationConfig)).toBe(committedText("model/generation_config.json"))
  })

  test("has as many ids as the model has rows, without gaps", () => {
    const { vocab_size: vocabularySize } = JSON.parse(committedText("model/config.json")) as { vocab_size: number }
    const ids = [...tokenizer.get_vocab(true).values()].sort((a, b) => a - b)
    expect(ids).toEqual(Array.from({ length: vocabularySize }, (_, id) => id))
  })

  test.each([
    ["English", "The kettle didn't arrive; it's order K-204 (12.5 kg ± 0.2 kg)."],
    ["Japanese", "お世話になります。第二工場のコンベヤーが止まりました、々〆ヶ。"],
    ["emoji and joiners", "👩‍👩‍👧 ok 🇯🇵 ✔️ 余白"],
    ["scripts it never saw", "Привет 한국어 العربية नमस्ते ｆｕｌｌ"],
    ["white space", "  two  spaces\n\n\ttab\r\nend  "],
    ["composed and decomposed accents", "café cafe\u0301 Müller"],
  ])("gives back %s unchanged", (_, text) => {
    expect(tokenizer.decode(contentIds(tokenizer, text), { skip_special_tokens: false })).toBe(text)
  })

  test("knows Japanese as words: under 0.6 tokens a character, and English under 1.6 a word", () => {
    const totals = { japaneseTokens: 0, japaneseCharacters: 0, englishTokens: 0, englishWords: 0 }
    for (const { response } of corpusRows(7, 300)) {
      const text = typeof response === "string" ? response : response[0]!.content
      const length = contentIds(tokenizer, text).length
      if (/[ぁ-ゟ]/.test(text)) {
        totals.japaneseTokens += length
        totals.japaneseCharacters += text.length
      } else {
        totals.englishTokens += length
        totals.englishWords += text.split(" ").length
      }
    }
    expect(totals.japaneseTokens / totals.japaneseCharacters).toBeLessThan(0.6)
    expect(totals.englishTokens / totals.englishWords).toBeLessThan(1.6)
  })

  test("tokenises a question and its answer alike, apart or joined: no merge crosses the boundary", () => {
    for (const { prompt, response } of corpusRows(11, 400)) {
      if (typeof prompt !== "string" || typeof response !== "string") continue
      const apart = [...contentIds(tokenizer, prompt), ...contentIds(tokenizer, response)]
      expect(contentIds(tokenizer, prompt + response)).toEqual(apart)
    }
  })

  test("renders turns with one id for each special token, the assistant's mark at the prompt's end", () => {
    const { chat_template: source } = JSON.parse(committedText("model/tokenizer_config.json")) as {
      chat_template: string
    }
    const messages = [{ role: "user", content: "質問です。" }]
    const prompt = new Template(source).render({ messages, bos_token: "<|bos|>", add_generation_prompt: true })
    expect(prompt).toBe("<|bos|><|user|>質問です。<|end|><|assistant|>")
    const whole = new Template(source).render({
      messages: [...messages, { role: "assistant", content: "Yes." }],
      bos_token: "<|bos|>",
      add_generation_prompt: false,
    })
    expect(whole).toBe(`${prompt}Yes.<|end|>`)
    const [bos, , user, assistant, end] = SPECIAL_TOKENS.map((_, id) => id)
    const ids = contentIds(tokenizer, whole)
    expect(ids.slice(0, 2)).toEqual([bos, user])
    expect(ids.filter((id) => id < SPECIAL_TOKENS.length)).toEqual([bos, user, end, assistant, end])
  })

  test("puts one <|bos|> before plain text and nothing after it", () => {
    expect(tokenizer.encode("Hello").ids).toEqual([0, ...contentIds(tokenizer, "Hello")])
  })
})
