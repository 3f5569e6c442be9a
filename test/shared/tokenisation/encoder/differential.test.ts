// The encoder against the Rust library itself (the npm build of tokenizers 0.23): the same ids, with and without what is put
// around a text, and the same text back, for every part that is not refused and for any text.
import fc from "fast-check"
import { Tokenizer } from "tokenizers"
import { afterAll, expect, test } from "vitest"
import { Encoder } from "#shared/tokenisation/encoder/encoder.ts"
import { readTokenizer } from "#shared/tokenisation/tokenizer-reader.ts"
import { isFullRun } from "#test/full-run.ts"
import { anyText } from "./texts.ts"
import { TOKENIZERS, tokenizer } from "./tokenizers.ts"

const TEXTS_EACH = isFullRun ? 3000 : 100
const TIMEOUT_MS = isFullRun ? 300_000 : 30_000
let cases = 0
afterAll(() => console.log(`${cases} texts encoded and decoded as by the Rust library`))

test.each(Object.entries(TOKENIZERS))(
  "%s: the ids and the text of the Rust library",
  async (_, json) => {
    const rust = Tokenizer.fromString(JSON.stringify(json))
    const encoder = new Encoder(readTokenizer(JSON.stringify(json)))
    const { before, after } = encoder.surroundings
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        cases++
        const expected = (await rust.encode(text, null, { addSpecialTokens: false })).getIds()
        const surrounded = (await rust.encode(text, null, { addSpecialTokens: true })).getIds()
        const ids = encoder.encode(text)
        expect(ids).toEqual(expected)
        expect([...before, ...ids, ...after]).toEqual(surrounded)
        expect(encoder.decode(ids, false)).toBe(await rust.decode(expected, false))
        expect(encoder.decode(surrounded, true)).toBe(await rust.decode(surrounded, true))
      }),
      { numRuns: TEXTS_EACH, seed: 20_261_128 },
    )
  },
  TIMEOUT_MS,
)

test.each(Object.entries(TOKENIZERS))("%s: ids of tokens, and the size", (_, json) => {
  const vocabulary = Tokenizer.fromString(JSON.stringify(json)).getVocab(true)
  const encoder = new Encoder(readTokenizer(JSON.stringify(json)))
  for (const [token, id] of Object.entries(vocabulary)) expect(encoder.idOf(token)).toBe(id)
  expect(encoder.size).toBe(Math.max(...Object.values(vocabulary)) + 1)
})

test("Unigram: an unknown character of two code units costs as much as one", async () => {
  const vocab = Object.entries({ "<unk>": 0, "<s>": 0, "</s>": 0, a: -15, ab: -1, cd: -1, d: -15, "b😀c": -30 })
  const json = tokenizer({ type: "Unigram", unk_id: 0, vocab, byte_fallback: false })
  const text = "ab😀cd"
  const expected = (await Tokenizer.fromString(JSON.stringify(json)).encode(text, null)).getIds()
  expect(expected).toEqual([4, 0, 5])
  expect(new Encoder(readTokenizer(JSON.stringify(json))).encode(text)).toEqual(expected)
})

const SPECIAL_IDS = { "<unk>": 0, "<s>": 1, "</s>": 2 }

const WAYS = [
  [
    "BPE: of a merge that stands twice the later rank counts",
    { type: "BPE", vocab: { ...SPECIAL_IDS, a: 3, b: 4, c: 5, ab: 6, bc: 7 }, merges: ["a b", "b c", "a b"] },
    [3, 7],
  ],
  [
    "Unigram: of two ways that are as likely the one with the longer last token is taken",
    {
      type: "Unigram",
      unk_id: 0,
      vocab: Object.entries({ "<unk>": 0, "<s>": 0, "</s>": 0, a: -1, b: -1, c: -1, ab: -3, bc: -2 }),
    },
    [3, 7],
  ],
] as const

test.each(WAYS)("%s", async (_, model, ids) => {
  const json = tokenizer(model)
  const text = "abc"
  expect((await Tokenizer.fromString(JSON.stringify(json)).encode(text, null)).getIds()).toEqual(ids)
  expect(new Encoder(readTokenizer(JSON.stringify(json))).encode(text)).toEqual(ids)
})
