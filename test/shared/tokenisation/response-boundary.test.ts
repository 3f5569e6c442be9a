// Where a response begins in plain text, for any tokenizer and any two texts: its ids are those of the whole text after the
// prompt's, or the row is dropped and says so.
import fc from "fast-check"
import { afterAll, describe, expect, test } from "vitest"
import { Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { anyText } from "./encoder/texts.ts"
import { TOKENIZERS, tokenizer } from "./encoder/tokenizers.ts"
import { BYTE_TOKENS } from "./encoder/vocabularies.ts"

const [BOS, EOS] = [1, 2]
const config = { bos_token: "<s>", eos_token: "</s>" }
const MAX = { maxLength: 10_000 }
// Two texts, or one text cut anywhere.
const twoTexts = fc.oneof(
  fc.tuple(anyText, anyText),
  fc
    .tuple(anyText, fc.nat(1000))
    .map(([text, at]) => [text.slice(0, at % (text.length + 1)), text.slice(at % (text.length + 1))]),
)
let kept = 0
let mismatched = 0
afterAll(() => console.log(`${kept} rows cut at their boundary, ${mismatched} dropped for a token over it`))

test.each(Object.entries(TOKENIZERS))("%s: prompt and response are the ids of the whole text and an EOS", (_, json) => {
  const tokenisation = Tokenisation.fromFiles({ tokenizerJson: json, tokenizerConfigJson: config })
  const before = tokenisation.tokeniseResponse({ prompt: "", response: "a" }, MAX)
  const prefix = before._tag === "Tokenised" ? [...before.promptIds] : []
  fc.assert(
    fc.property(twoTexts, ([prompt = "", response = ""]) => {
      const result = tokenisation.tokeniseResponse({ prompt, response }, MAX)
      const [alone, whole] = [tokenisation.encode(prompt), tokenisation.encode(prompt + response)]
      const begins = alone.every((id, index) => id === whole[index])
      if (result._tag === "Dropped") {
        if (result.reason === "boundary-mismatch") mismatched++
        const isEmpty =
          response.trim() === "" || (begins && (whole.length === alone.length || prefix.length + alone.length === 0))
        expect(result.reason).toBe(isEmpty ? "empty" : "boundary-mismatch")
        expect(isEmpty || !begins).toBe(true)
        return
      }
      kept++
      const hasBos = alone[0] === BOS
      const ids = [...result.promptIds, ...result.responseIds]
      expect([...result.promptIds]).toEqual([...(hasBos ? [] : prefix), ...alone])
      expect(ids).toEqual([...(hasBos ? [] : prefix), ...whole, ...(whole.at(-1) === EOS ? [] : [EOS])])
    }),
    { numRuns: 60, seed: 20_261_128 },
  )
})

// Llama 2, Mistral and TinyLlama: a space is put before every text that is encoded, also before a response by itself.
const letters = ["▁", "y", "e", "s", "A", "n", "w", "r", ":", "ye", "yes", "▁yes"]
const llama = tokenizer(
  {
    ...{ type: "BPE", unk_token: "<unk>", fuse_unk: true, byte_fallback: true, merges: ["y e", "ye s", "▁ yes"] },
    vocab: Object.fromEntries(["<unk>", "<s>", "</s>", ...BYTE_TOKENS, ...letters].map((token, id) => [token, id])),
  },
  {
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
  },
)

describe("a tokenizer that puts a space before every text", () => {
  const tokenisation = Tokenisation.fromFiles({
    tokenizerJson: llama,
    tokenizerConfigJson: { ...config, add_bos_token: true },
  })
  const ids = (prompt: string, response: string) => {
    const result = tokenisation.tokeniseResponse({ prompt, response }, MAX)
    return result._tag === "Dropped" ? result.reason : [[...result.promptIds], [...result.responseIds]]
  }
  const answer = [BOS, 259, 263, 264, 262, 265, 261, 266, 267]

  test("scores the response as the text has it, not with a space of its own", () => {
    expect(ids("Answer:", "yes")).toEqual([answer, [269, EOS]])
    expect(ids("Answer:", " yes")).toEqual([answer, [270, EOS]])
  })

  test("a space at the prompt's end, which the model writes with the word, is a boundary mismatch with the mend", () => {
    expect(ids("Answer: ", "yes")).toBe("boundary-mismatch")
    const dropped = tokenisation.tokeniseResponse({ prompt: "Answer: ", response: "yes" }, MAX)
    expect(dropped._tag === "Dropped" && dropped.detail).toMatch(/begin the response with the space between/)
  })

  test("an empty prompt leaves the response its space, as at the start of a text", () => {
    expect(ids("", "yes")).toEqual([[BOS], [270, EOS]])
  })
})

test("Unigram with byte fallback: line ends and unknown characters are their bytes, so that two texts stay two", () => {
  const scored = [
    ["▁", -3],
    ["a", -4],
    ["b", -4],
    ["q", -4],
    ["▁a", -2],
    ["▁q", -2],
  ] as const
  const vocab = [...["<unk>", "<s>", "</s>", ...BYTE_TOKENS].map((token) => [token, 0] as const), ...scored]
  const json = tokenizer(
    { type: "Unigram", unk_id: 0, byte_fallback: true, vocab },
    { pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true } },
  )
  const tokenisation = Tokenisation.fromFiles({ tokenizerJson: json, tokenizerConfigJson: config })
  expect(tokenisation.encode("a\nb")).toEqual([263, 13, 261])
  expect(tokenisation.encode("a茶b").slice(1)).toEqual([235, 143, 185, 261])
  const pair = tokenisation.tokenisePair({ prompt: "q", chosen: "茶", rejected: "石" }, MAX)
  expect(pair).toMatchObject({ _tag: "Tokenised", chosenIds: Uint32Array.of(235, 143, 185, EOS) })
})
