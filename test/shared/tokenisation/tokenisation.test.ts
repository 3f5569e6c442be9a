// Pairs, responses and conversations as scored token ids, and why some are dropped. Over 300 lines: all that one object promises.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  ChatTemplateRefused,
  InvalidTokenizer,
  type Message,
  PairOverLength,
  type PairText,
  responseDigestInput,
  Tokenisation,
  type TokenisationFiles,
  type TokenisationPolicy,
} from "#shared/tokenisation/tokenisation.ts"
import {
  ASSISTANT,
  BOS,
  byteIds,
  CHAT_TEMPLATE,
  EOS,
  mergedId,
  tokenizerConfigJson,
  tokenizerJson,
  USER,
  VOCABULARY_SIZE,
} from "./byte-level-tokenizer.ts"

const files: TokenisationFiles = { tokenizerJson: tokenizerJson(), tokenizerConfigJson }
const tokenisation = Tokenisation.fromFiles(files)
const withConfig = (changes: Record<string, unknown>, more: Partial<TokenisationFiles> = {}) =>
  Tokenisation.fromFiles({ ...files, tokenizerConfigJson: { ...tokenizerConfigJson, ...changes }, ...more })

/** The result with plain arrays, so that values compare. */
function tokenise(pair: PairText, policy: Partial<TokenisationPolicy> = {}, by: Tokenisation = tokenisation) {
  const result = by.tokenisePair(pair, { maxLength: 1000, ...policy })
  if (result._tag === "Dropped") return result.reason
  const { promptIds, chosenIds, rejectedIds, truncated } = result
  return { prompt: [...promptIds], chosen: [...chosenIds], rejected: [...rejectedIds], truncated }
}

const user = (content: string): Message => ({ role: "user", content })
const assistant = (content: string): Message => ({ role: "assistant", content })
const plain = { prompt: "xy", chosen: "ab", rejected: "c" }
const chat = { prompt: [user("xy")], chosen: [assistant("ab")], rejected: [assistant("c")] }
const chatPrompt = [BOS, USER, ...byteIds("xy"), EOS, ...byteIds("\n"), ASSISTANT]

describe("a plain pair", () => {
  it("is BOS and prompt, and each response as its ids in the whole text, with EOS", () => {
    expect(tokenise(plain)).toEqual({
      prompt: [BOS, ...byteIds("xy")],
      chosen: [...byteIds("ab"), EOS],
      rejected: [...byteIds("c"), EOS],
      truncated: false,
    })
  })

  it("never merges over the boundary: where a token would, the pair is dropped, saying which", () => {
    // "hot" is one token of the whole text, while the prompt alone ends in "h".
    const pair = { prompt: "xh", chosen: "ot", rejected: " tea" }
    expect(tokenise(pair)).toBe("boundary-mismatch")
    const dropped = tokenisation.tokenisePair(pair, { maxLength: 99 })
    expect(dropped._tag === "Dropped" && dropped.detail).toBe(
      'the prompt ends with the tokens of "xh", where the text with the response goes on with "xhot": a token reaches ' +
        "over the boundary; end the prompt with a word or a line end, and begin the response with the space between",
    )
    expect(tokenise({ ...pair, prompt: "hot" })).toMatchObject({
      prompt: [BOS, mergedId("hot")],
      rejected: [mergedId(" tea"), EOS],
    })
    expect(tokenise({ ...pair, prompt: "hot ", rejected: "tea" })).toBe("boundary-mismatch")
    expect(tokenise({ ...pair, prompt: "h", chosen: "x" })).toMatchObject({
      prompt: [BOS, ...byteIds("h")],
      chosen: [...byteIds("x"), EOS],
      rejected: [mergedId(" tea"), EOS],
    })
  })

  it("has no BOS when the tokenizer adds none, and exactly one when the text brings its own", () => {
    const none = Tokenisation.fromFiles({ ...files, tokenizerJson: tokenizerJson({ addsBos: false }) })
    expect(tokenise(plain, {}, none)).toMatchObject({ prompt: byteIds("xy") })
    expect(tokenise({ ...plain, prompt: "<s>xy" })).toMatchObject({ prompt: [BOS, ...byteIds("xy")] })
  })

  it("follows an explicit add_bos_token over the post-processor", () => {
    expect(tokenise(plain, {}, withConfig({ add_bos_token: false }))).toMatchObject({ prompt: byteIds("xy") })
    const told = withConfig({ add_bos_token: true }, { tokenizerJson: tokenizerJson({ addsBos: false }) })
    expect(tokenise(plain, {}, told)).toMatchObject({ prompt: [BOS, ...byteIds("xy")] })
  })

  it("keeps one EOS when the response already ends with it", () => {
    expect(tokenise({ ...plain, chosen: "ab</s>" })).toMatchObject({ chosen: [...byteIds("ab"), EOS] })
  })

  it("may have an empty prompt when there is a BOS to predict from", () => {
    expect(tokenise({ ...plain, prompt: "" })).toMatchObject({ prompt: [BOS] })
    expect(tokenise({ ...plain, prompt: "" }, {}, withConfig({ add_bos_token: false }))).toBe("empty")
  })

  it("is dropped when a response is empty or both are the same", () => {
    expect(tokenise({ ...plain, chosen: "" })).toBe("empty")
    expect(tokenise({ ...plain, rejected: " \n" })).toBe("empty")
    expect(tokenise({ ...plain, rejected: "ab" })).toBe("identical")
    expect(tokenise({ ...plain, rejected: "ab</s>" })).toBe("identical")
  })

  it("needs an EOS", () => {
    expect(() => tokenise(plain, {}, withConfig({ eos_token: null }))).toThrow(InvalidTokenizer)
  })
})

describe("a chat pair", () => {
  it("goes through the template, the generation header in the prompt and the end of turn scored once", () => {
    expect(tokenise(chat)).toEqual({
      prompt: chatPrompt,
      chosen: [...byteIds("ab"), EOS, ...byteIds("\n")],
      rejected: [...byteIds("c"), EOS, ...byteIds("\n")],
      truncated: false,
    })
  })

  it("scores the header with the response when asked", () => {
    expect(tokenise(chat, { responseIncludesHeader: true })).toMatchObject({
      prompt: chatPrompt.slice(0, -1),
      chosen: [ASSISTANT, ...byteIds("ab"), EOS, ...byteIds("\n")],
    })
  })

  it("gets an EOS where the template leaves the turn open", () => {
    const open = CHAT_TEMPLATE.replace("message.content + eos_token + '\\n'", "message.content")
    expect(tokenise(chat, {}, withConfig({ chat_template: open }))).toMatchObject({
      prompt: [BOS, USER, ...byteIds("xy"), ASSISTANT],
      chosen: [...byteIds("ab"), EOS],
    })
  })

  it("has one BOS when the template and the text both bring one, and none when neither does", () => {
    const doubled = withConfig({ chat_template: `{{ bos_token }}${CHAT_TEMPLATE}` })
    expect(tokenise(chat, {}, doubled)).toMatchObject({ prompt: chatPrompt })
    const without = withConfig({ chat_template: CHAT_TEMPLATE.replace("{{ bos_token }}", "") })
    expect(tokenise(chat, {}, without)).toMatchObject({ prompt: chatPrompt.slice(1) })
  })

  it("is dropped when the tokens of the prompt are not those of the whole conversation's beginning", () => {
    // "hot" merges to one token in the whole, while the prompt alone ends in "h".
    const merging = "{% for message in messages %}{{ message.content }}{% endfor %}"
    const pair = { prompt: [user("xh")], chosen: [assistant("ot")], rejected: [assistant("c")] }
    expect(tokenise(pair, {}, withConfig({ chat_template: merging }))).toBe("boundary-mismatch")
    const harmless = { ...pair, chosen: [assistant("b")] }
    expect(tokenise(harmless, {}, withConfig({ chat_template: merging }))).toMatchObject({ prompt: byteIds("xh") })
  })

  it("keeps earlier turns in the prompt", () => {
    const longer = { ...chat, prompt: [user("x"), assistant("y"), user("z")] }
    const turns = [USER, ...byteIds("x"), EOS, ...byteIds("\n"), ASSISTANT, ...byteIds("y"), EOS, ...byteIds("\n")]
    expect(tokenise(longer)).toMatchObject({
      prompt: [BOS, ...turns, USER, ...byteIds("z"), EOS, ...byteIds("\n"), ASSISTANT],
      chosen: [...byteIds("ab"), EOS, ...byteIds("\n")],
    })
  })

  it("is dropped when an answer is empty or both are the same", () => {
    expect(tokenise({ ...chat, chosen: [] })).toBe("empty")
    expect(tokenise({ ...chat, chosen: [assistant("")] })).toBe("empty")
    expect(tokenise({ ...chat, rejected: chat.chosen })).toBe("identical")
  })

  it("takes the template from its own file, from the config, or from the config's default of several", () => {
    const other = "{% for message in messages %}{{ message.content }}{% endfor %}|"
    expect(tokenisation.chatTemplate).toBe(CHAT_TEMPLATE)
    expect(withConfig({}, { chatTemplate: other }).chatTemplate).toBe(other)
    const several = [
      { name: "tool_use", template: "x" },
      { name: "default", template: other },
    ]
    expect(withConfig({ chat_template: several }).chatTemplate).toBe(other)
  })

  it("fails clearly when the template refuses it, is no template, or is missing", () => {
    const withSystem = { ...chat, prompt: [{ role: "system", content: "s" }, ...chat.prompt] }
    expect(() => tokenise(withSystem)).toThrow(ChatTemplateRefused)
    expect(() => tokenise(withSystem)).toThrow("no system role")
    expect(() => withConfig({ chat_template: "{% for %}" })).toThrow(ChatTemplateRefused)
    const bare = withConfig({ chat_template: undefined })
    expect(bare.chatTemplate).toBeUndefined()
    expect(() => tokenise(chat, {}, bare)).toThrow(InvalidTokenizer)
  })
})

describe("a whole conversation, as a classifier reads it", () => {
  const whole = (prompt: string | Message[], response: string | Message[], by = tokenisation) => [
    ...by.tokeniseWhole({ prompt, response } as never),
  ]
  const turns = [[user("hi")], [{ role: "assistant", content: "yo" }]] satisfies Message[][]
  const ids = [USER, ...byteIds("hi"), EOS, ...byteIds("\n"), ASSISTANT, ...byteIds("yo"), EOS, ...byteIds("\n")]

  it("is what the template writes, header and end of turn included, with one BOS", () => {
    expect(whole(turns[0]!, turns[1]!)).toEqual([BOS, ...ids])
    const twice = withConfig({ chat_template: `{{ bos_token }}${CHAT_TEMPLATE}` })
    expect(whole(turns[0]!, turns[1]!, twice)).toEqual([BOS, ...ids])
  })

  it("gets the tokenizer's own BOS where the template writes none, and none where the tokenizer puts none", () => {
    const silent = { chat_template: CHAT_TEMPLATE.replace("{{ bos_token }}", "") }
    expect(whole(turns[0]!, turns[1]!, withConfig(silent))).toEqual([BOS, ...ids])
    const without = withConfig(silent, { tokenizerJson: tokenizerJson({ addsBos: false }) })
    expect(whole(turns[0]!, turns[1]!, without)).toEqual(ids)
  })

  it("is left open where the template leaves it, and a text is a text", () => {
    const open = withConfig({ chat_template: "{% for message in messages %}{{ message.content }}{% endfor %}" })
    expect(whole(turns[0]!, turns[1]!, open)).toEqual([BOS, ...byteIds("hiyo")])
    expect(whole("hi", " yo")).toEqual([BOS, ...byteIds("hi yo")])
  })
})

describe("the length budget", () => {
  const pair = { prompt: "xy", chosen: "abcd", rejected: "abe" } // 3 + 5 and 3 + 4 tokens

  it("is kept to the token", () => {
    expect(tokenise(pair, { maxLength: 8 })).toMatchObject({ truncated: false })
    expect(tokenise(pair, { maxLength: 7 })).toBe("over-length")
  })

  it("fails under the policy error, naming the length", () => {
    expect(() => tokenise(pair, { maxLength: 7, overflow: "error" })).toThrow(PairOverLength)
    expect(() => tokenise(pair, { maxLength: 7, overflow: "error" })).toThrow("needs 8 tokens")
    expect(tokenise(pair, { maxLength: 8, overflow: "error" })).toMatchObject({ truncated: false })
  })

  it("cuts both responses to one budget, without inventing an EOS", () => {
    expect(tokenise(pair, { maxLength: 7, overflow: "truncate" })).toEqual({
      prompt: [BOS, ...byteIds("xy")],
      chosen: byteIds("abcd"),
      rejected: [...byteIds("abe"), EOS],
      truncated: true,
    })
    expect(tokenise(pair, { maxLength: 6, overflow: "truncate" })).toMatchObject({
      chosen: byteIds("abc"),
      rejected: byteIds("abe"),
    })
  })

  it("drops pairs that truncation makes identical, and prompts that leave no room", () => {
    expect(tokenise(pair, { maxLength: 5, overflow: "truncate" })).toBe("identical")
    expect(tokenise(pair, { maxLength: 3, overflow: "truncate" })).toBe("over-length")
    expect(tokenise({ ...pair, rejected: "z" }, { maxLength: 4, overflow: "truncate" })).toMatchObject({
      chosen: byteIds("a"),
      rejected: byteIds("z"),
    })
  })
})

describe("the vocabulary", () => {
  it("has the tokenizer's size unless the model states its own", () => {
    expect(tokenisation.vocabularySize).toBe(VOCABULARY_SIZE)
    expect(withConfig({}, { vocabularySize: 512 }).vocabularySize).toBe(512)
  })

  it("is checked for every id", () => {
    const small = withConfig({}, { vocabularySize: mergedId("tea") })
    expect(() => tokenise({ ...plain, chosen: "tea" }, {}, small)).toThrow(InvalidTokenizer)
    expect(() => tokenise({ ...plain, chosen: "tea" }, {}, small)).toThrow(`token id ${mergedId("tea")} is outside`)
    expect(tokenise(plain, {}, small)).toMatchObject({ truncated: false })
    expect(() => tokenisation.decode([VOCABULARY_SIZE])).toThrow(InvalidTokenizer)
    expect(() => tokenisation.decode([-1])).toThrow(InvalidTokenizer)
  })
})

describe("decoding", () => {
  it("gives back any text, to the character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        fc.pre(text.isWellFormed() && !text.includes("<"))
        expect(tokenisation.decode(tokenisation.encode(text))).toBe(text)
      }),
      { numRuns: 200 },
    )
    expect(tokenisation.decode(tokenisation.encode("don 't , 日本語 . e\u0301 !"))).toBe("don 't , 日本語 . e\u0301 !")
  })

  it("keeps special tokens unless asked to skip them", () => {
    const ids = Uint32Array.of(BOS, ...byteIds("xy"), EOS)
    expect(tokenisation.decode(ids)).toBe("<s>xy</s>")
    expect(tokenisation.decode(ids, { skipSpecialTokens: true })).toBe("xy")
    expect(tokenisation.decode([])).toBe("")
  })
})

describe("a tokenizer's files", () => {
  const bad: [string, Partial<TokenisationFiles>, string][] = [
    ["a tokenizer.json that is not JSON", { tokenizerJson: "{" }, "tokenizer.json is not JSON"],
    ["a config that is a list", { tokenizerConfigJson: "[]" }, "tokenizer_config.json is not a JSON object"],
    ["a tokenizer.json without a model", { tokenizerJson: { added_tokens: [] } }, "tokenizer.json cannot be used"],
    ["a BOS that the tokenizer lacks", { tokenizerConfigJson: { bos_token: "<bos>" } }, "<bos>"],
  ]
  it.each(bad)("are refused with %s", (_name, change, message) => {
    expect(() => Tokenisation.fromFiles({ ...files, ...change })).toThrow(InvalidTokenizer)
    expect(() => Tokenisation.fromFiles({ ...files, ...change })).toThrow(message)
  })

  it("are accepted as text as well as parsed", () => {
    const texts = {
      tokenizerJson: JSON.stringify(tokenizerJson()),
      tokenizerConfigJson: JSON.stringify(tokenizerConfigJson),
    }
    expect(tokenise(chat, {}, Tokenisation.fromFiles(texts))).toEqual(tokenise(chat))
  })
})

describe("the digest input of a response", () => {
  it("is the ids and then the response's start, u32 little-endian", () => {
    const bytes = responseDigestInput([1, 258], Uint32Array.of(4_000_000_000))
    expect([...bytes]).toEqual([1, 0, 0, 0, 2, 1, 0, 0, 0, 40, 107, 238, 2, 0, 0, 0])
  })
})
