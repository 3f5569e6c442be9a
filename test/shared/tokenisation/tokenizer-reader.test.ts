// tokenizer.json read as its bytes come: the same tokenizer wherever they are cut, whatever its texts are written like, and the same words
// about what is wrong with it as for a file that is read whole.
import fc from "fast-check"
import { describe, expect, it, test } from "vitest"
import { Encoder } from "#shared/tokenisation/encoder/encoder.ts"
import {
  EDGE_TOKENIZER_BYTES,
  TokenizerTooLarge,
  tokenizerBytes,
} from "#shared/tokenisation/encoder/tokenizer-memory.ts"
import { InvalidTokenizer } from "#shared/tokenisation/invalid-tokenizer.ts"
import { readTokenizer, type TokenizerFields, TokenizerReader } from "#shared/tokenisation/tokenizer-reader.ts"
import { anyText } from "./encoder/texts.ts"
import { tokenizer } from "./encoder/tokenizers.ts"
import { byteLevelModel, characterModel, unigramModel } from "./encoder/vocabularies.ts"
import { gemmaLike, llamaLike, qwenLike, unigramLike } from "./large-tokenizers.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)

function readInParts(bytes: Uint8Array, partBytes: number): TokenizerFields {
  const reader = new TokenizerReader()
  for (let at = 0; at < bytes.length; at += partBytes) reader.push(bytes.subarray(at, at + partBytes))
  return reader.end()
}

/** Every character beyond ASCII, and a few within it, as an escape. */
const escaped = (text: string) =>
  text.replace(/[^\x20-\x7e]|[aeh/]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

const MODELS = {
  "byte-level BPE, merges in lists": tokenizer(byteLevelModel()),
  "BPE of characters, merges in texts": tokenizer(characterModel()),
  "BPE with prefix and suffix": tokenizer(
    characterModel({ continuing_subword_prefix: "##", end_of_word_suffix: "</w>" }),
  ),
  Unigram: tokenizer(unigramModel(true)),
}

describe.each(Object.entries(MODELS))("%s", (_, json) => {
  const plain = new Encoder(json)

  it("is the same tokenizer wherever its bytes are cut, indented or not, with members in any order", () => {
    const { model } = json as { readonly model: Readonly<Record<string, unknown>> }
    const { vocab, ...rest } = model
    const lastFirst = { ...json, model: { vocab, ...rest } }
    const written = fc.constantFrom(
      JSON.stringify(json),
      JSON.stringify(json, null, 2),
      JSON.stringify(lastFirst, null, "\t"),
    )
    const property = fc.property(written, fc.integer({ min: 1, max: 3000 }), anyText, (text, partBytes, sample) => {
      const encoder = new Encoder(readInParts(utf8(text), partBytes))
      expect(encoder.encode(sample)).toEqual(plain.encode(sample))
      expect(encoder.size).toBe(plain.size)
    })
    fc.assert(property, { numRuns: 40, seed: 20_261_129 })
  })

  it("takes each of its tokens and merges from the bytes, and leaves the rest of the file", () => {
    const reader = new TokenizerReader()
    reader.push(utf8(JSON.stringify(json)))
    const { vocab, merges } = json.model as { readonly vocab: object; readonly merges?: readonly unknown[] }
    expect(reader.size).toMatchObject({ tokens: Object.keys(vocab).length, merges: merges?.length ?? 0 })
    const other = JSON.stringify({ ...json, model: { ...(json.model as object), vocab: {}, merges: merges && [] } })
    expect(reader.size.otherBytes).toBe(other.length)
  })
})

it("escapes in tokens, merges and keys are what they stand for", () => {
  const json = tokenizer(characterModel())
  const text = JSON.stringify(json).replaceAll(/"(?:[^"\\]|\\.)*"/g, (each) => `"${escaped(JSON.parse(each))}"`)
  const [read, plain] = [new Encoder(readInParts(utf8(text), 1000)), new Encoder(json)]
  const sample = "the tea in a hot house — 茶 🙂 <s> déjà"
  expect(read.encode(sample)).toEqual(plain.encode(sample))
  expect(read.encode(sample).length).toBeLessThan(sample.length)
})

it("merges that stand before their vocabulary are read like any JSON", () => {
  const { vocab, merges, ...rest } = byteLevelModel()
  const text = JSON.stringify(tokenizer({ merges, ...rest, vocab }))
  const plain = new Encoder(tokenizer(byteLevelModel()))
  expect(new Encoder(readTokenizer(text)).encode("the other tea")).toEqual(plain.encode("the other tea"))
})

const bpe = (vocab: string, merges = "[]") =>
  `{"added_tokens":[],"model":{"type":"BPE","vocab":${vocab},"merges":${merges}}}`
const unigram = (vocab: string) => `{"model":{"type":"Unigram","unk_id":0,"vocab":${vocab}}}`

test("ids and scores that are not written in the usual way count as JSON has them", () => {
  const odd = new Encoder(readTokenizer(bpe('{"a":0,"b":1.0,"c":2e0,"ab":3,"abc":4}', '["a b","ab c"]')))
  expect([odd.encode("abc"), odd.encode("cab"), odd.decode([1, 2], false)]).toEqual([[4], [2, 3], "b c"])
  const scored = new Encoder(readTokenizer(unigram('[["?",0],["a",-1E+0],["aa",-0.5e-1],["b",-2]]')))
  expect(scored.encode("aab")).toEqual([2, 3])
})

test("a first line of merges that names their version is none, also where a rank stands behind it", () => {
  const json = bpe('{"a":0,"b":1,"ab":2}', '["#version: 0.2","a b"]')
  expect(new Encoder(readTokenizer(json)).encode("ab")).toEqual([2])
})

test("tokens with gaps between their ids keep them", () => {
  const encoder = new Encoder(readTokenizer(bpe('{"a":7,"b":4294967295,"ab":1000000}', '["a b"]')))
  expect([encoder.encode("abba"), encoder.size]).toEqual([[1_000_000, 4_294_967_295, 7], 4_294_967_296])
  expect([7, 8, 1_000_000].map((id) => encoder.decode([id], false))).toEqual(["a", "", "ab"])
})

const NOT_JSON = "tokenizer.json is not JSON; fetch the model folder again"
const cannot = (what: string) => `tokenizer.json cannot be used: ${what}; fetch the model folder again`
const FAULTS: readonly (readonly [string, string | Uint8Array, string])[] = [
  ["nothing", "", NOT_JSON],
  ["the middle of the vocabulary as its end", bpe('{"a":0,"b"').slice(0, 60), NOT_JSON],
  ["no colon in the vocabulary", bpe('{"a" 0}'), NOT_JSON],
  ["no comma in the vocabulary", bpe('{"a":0 "b":1}'), NOT_JSON],
  ["a comma too many in the vocabulary", bpe('{"a":0,}'), NOT_JSON],
  ["a comma too many in the merges", bpe('{"a":0}', '["a a",]'), NOT_JSON],
  ["two commas in the merges", bpe('{"a":0,"aa":1}', '["a a",,]'), NOT_JSON],
  ["a key that is no text", bpe("{a:0}"), NOT_JSON],
  ["an id with a zero before it", bpe('{"a":01}'), NOT_JSON],
  ["a control character in a token", bpe('{"a\n":0}'), NOT_JSON],
  ["an escape that is none", bpe('{"\\x":0}'), NOT_JSON],
  ["a score that is no number", unigram('[["a",.5]]'), NOT_JSON],
  [
    "bytes of a token that are not UTF-8",
    Uint8Array.of(...utf8('{"model":{"vocab":{"'), 0xc3, 0x28, ...utf8('":0}}}')),
    NOT_JSON,
  ],
  ["bytes of no token that are not UTF-8", Uint8Array.of(...utf8('{"version":"'), 0xff, ...utf8('"}')), NOT_JSON],
  ["a list", "[]", "tokenizer.json is not a JSON object; fetch the model folder again"],
  [
    "a token twice",
    bpe('{"a":0,"b":1,"a":2}'),
    'tokenizer.json holds "a" twice, and which counts would depend on the reader; remove one',
  ],
  ["a token twice, once as an escape", bpe('{"é":0,"\\u00e9":1.0}'), 'tokenizer.json holds "é" twice'],
  ["two vocabularies", bpe('{"a":0},"vocab":{"a":0}'), 'tokenizer.json holds "vocab" twice'],
  ["an id that is a text", bpe('{"a":0,"b":"1"}'), cannot('the vocab gives "b" no id')],
  ["an id below zero", bpe('{"a":-1}'), cannot('the vocab gives "a" no id')],
  ["an id with a fraction", bpe('{"a":0.5}'), cannot('the vocab gives "a" no id')],
  ["an id that no computer counts", bpe('{"a":9007199254740993}'), cannot('the vocab gives "a" no id')],
  [
    "an id beyond 32 bits",
    bpe('{"a":4294967296}'),
    cannot('the vocab gives "a" the id 4294967296, and ids end at 4294967295'),
  ],
  ["half a surrogate pair", bpe('{"a":0,"\\ud83d":1}'), cannot('the vocab holds half a surrogate pair in "\\ud83d"')],
  ["a merge of three", bpe('{"a":0}', '["a a a"]'), cannot('the merge "a a a" is no pair')],
  ["a merge of one", bpe('{"a":0}', '[["a"]]'), cannot('the merge ["a"] is no pair')],
  ["a merge that is a number", bpe('{"a":0}', "[7]"), cannot("the merge 7 is no pair")],
  ["a merge of an unknown token", bpe('{"a":0}', '["a q"]'), cannot('the merges name "q", which the vocab lacks')],
  [
    "a merge that makes an unknown token",
    bpe('{"a":0}', '["a a"]'),
    cannot('the merges name "aa", which the vocab lacks'),
  ],
  ["Unigram with a vocabulary of BPE", unigram('{"a":0}'), cannot("the Unigram vocab is no list of tokens and scores")],
  ["BPE with a vocabulary of Unigram", bpe('[["a",0]]'), cannot("the model's vocab is no object")],
  [
    "a token without its score",
    unigram('[["a",0],["b"]]'),
    cannot("the Unigram vocab is no list of tokens and scores"),
  ],
  ["BPE without merges", bpe('{"a":0}', "null"), cannot("BPE has no merges")],
]

test.each(FAULTS)("%s is refused in the words for it, wherever the bytes are cut", (_, file, words) => {
  const bytes = typeof file === "string" ? utf8(file) : file
  for (const partBytes of [1, 7, 10_000]) {
    const read = () => new Encoder(readInParts(bytes, partBytes))
    expect(read).toThrow(InvalidTokenizer)
    expect(read).toThrow(words)
  }
})

test("a token that goes on for a megabyte is refused before it is held", () => {
  const reader = new TokenizerReader()
  reader.push(utf8('{"model":{"vocab":{"'))
  const push = () => {
    for (let part = 0; part < 20; part++) reader.push(utf8("a".repeat(100_000)))
  }
  expect(push).toThrow("a token or merge of tokenizer.json has more than 1000000 bytes; correct it")
})

describe("what a tokenizer takes", () => {
  const size = (json: string) => {
    const reader = new TokenizerReader()
    reader.push(utf8(json))
    return reader.size
  }
  const shape = { tokens: 4000, merges: 7000, reserved: 100 }

  it("follows from its tokens, merges and the rest of its file, for every layout", () => {
    const layouts = [llamaLike(shape), qwenLike(shape), gemmaLike(shape), unigramLike(shape)].map(size)
    for (const { tokens } of layouts) expect(tokens).toBe(shape.tokens)
    expect(layouts.map(({ scores, hasOwnIds }) => [scores, hasOwnIds])).toEqual([
      ...[
        [0, true],
        [0, true],
        [0, true],
      ],
      [4000, false],
    ])
    for (const layout of layouts) {
      const { tokenBytes, merges, otherBytes } = layout
      const tables = shape.tokens * (layout.hasOwnIds ? 24 : 12) + layout.scores * 8 + merges * 20
      expect(tokenizerBytes(layout)).toBe(tokenBytes + tables + otherBytes * 3 + 2_000_000)
    }
  })

  it("leaves room at the edge for those of Llama 3, Qwen 3 and Gemma 3, with ids in any order", () => {
    const common = { hasOwnIds: true, scores: 0 }
    for (const real of [
      { tokens: 128_000, tokenBytes: 1_065_947, merges: 280_147, otherBytes: 53_937 },
      { tokens: 151_643, tokenBytes: 1_369_483, merges: 151_387, otherBytes: 6098 },
      { tokens: 262_144, tokenBytes: 2_316_356, merges: 514_906, otherBytes: 1_220_565 },
    ])
      expect(tokenizerBytes({ ...common, ...real })).toBeLessThan(EDGE_TOKENIZER_BYTES)
  })

  it("stops a reader as soon as it is more than there is, with the numbers", () => {
    const bytes = utf8(gemmaLike(shape))
    const read = (limitBytes: number) => {
      const reader = new TokenizerReader(limitBytes)
      for (let at = 0; at < bytes.length; at += 10_000) reader.push(bytes.subarray(at, at + 10_000))
      return reader.end()
    }
    expect(() => read(2_280_000)).toThrow(TokenizerTooLarge)
    expect(() => read(2_280_000)).toThrow(
      /^tokenizer\.json with 4,000 tokens, [\d,]+ merges and 0\.0 MB besides, as far as it was read, takes 2\.3 MB, and an edge isolate has 2\.3 MB/,
    )
    expect(() => read(2_500_000)).not.toThrow()
  })
})
