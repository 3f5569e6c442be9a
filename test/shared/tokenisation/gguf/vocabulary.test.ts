// A tokenizer as llama.cpp is told it: kinds of tokens, names of pre-tokenizers, scores, ids that begin and end a text, templates; and
// what it cannot be told. That the ids come out the same is held by llama.cpp itself (test/gpu-runner/data/model/llama-cpp-tokens.test.ts).
import fc from "fast-check"
import { describe, expect, it, test } from "vitest"
import { InvalidGguf } from "#shared/formats/gguf/container.ts"
import { pieceScores } from "#shared/tokenisation/gguf/piece-scores.ts"
import { ggufVocabulary } from "#shared/tokenisation/gguf/vocabulary.ts"
import { TOKENIZERS, tokenizer } from "../encoder/tokenizers.ts"
import { byteLevelModel, characterModel, unigramModel } from "../encoder/vocabularies.ts"
import { BYTE_LEVEL, CONFIG, PIECES, pieceModel, rowsFor } from "./tokenizers.ts"

type Tokenizer = ReturnType<typeof tokenizer>

function told(tokenizerJson: Tokenizer, files: object = {}, vocabularySize = rowsFor(tokenizerJson as never)) {
  const { metadata, differences } = ggufVocabulary(
    { tokenizerJson: JSON.stringify(tokenizerJson), tokenizerConfigJson: CONFIG, vocabularySize, ...files },
    [],
  )
  return { differences, ...Object.fromEntries(metadata.map(([key, { value }]) => [key, value])) } as Record<
    string,
    unknown
  >
}

const withParts = (model: object, parts: object, added: readonly { content: string }[] = []) =>
  tokenizer(model as Record<string, unknown>, parts as Record<string, unknown>, added)

describe("a byte-level tokenizer", () => {
  test.each(Object.entries(BYTE_LEVEL))("is named by what cuts its texts: %s", (name, tokenizerJson) => {
    expect(told(tokenizerJson)).toMatchObject({ "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": name })
  })

  it("keeps its merges in order, of a pair that stands twice the later, which is the one that counts", () => {
    const model = byteLevelModel()
    const twice = { ...model, merges: [model.merges[3]!, ...model.merges] }
    const parts = { pre_tokenizer: BYTE_LEVEL["gpt-2"].pre_tokenizer, decoder: BYTE_LEVEL["gpt-2"].decoder }
    const expected = model.merges.map((pair) => pair.join(" "))
    expect(told(withParts(model, parts))["tokenizer.ggml.merges"]).toEqual(expected)
    expect(told(withParts(twice, parts))["tokenizer.ggml.merges"]).toEqual(expected)
  })

  it("says that llama.cpp does not compose characters, and where it cuts otherwise", () => {
    const { model, ...parts } = BYTE_LEVEL.qwen2
    expect(told(withParts(model, { ...parts, normalizer: { type: "NFC" } })).differences).toEqual([
      expect.stringContaining("NFC"),
    ])
    expect(told(BYTE_LEVEL.tekken).differences).toEqual([expect.stringContaining("combining marks")])
    expect(told(BYTE_LEVEL.qwen2).differences).toEqual([])
  })
})

describe("a pre-tokenizer that is near", () => {
  const near = (tokenizerJson: Tokenizer) =>
    ggufVocabulary(
      {
        tokenizerJson: JSON.stringify(tokenizerJson),
        tokenizerConfigJson: CONFIG,
        vocabularySize: rowsFor(tokenizerJson as never),
      },
      [],
      "gpt-2",
    )

  it("is taken where it is asked for and none fits, and told", () => {
    const { metadata, differences } = near(TOKENIZERS["Split as deepseek"]!)
    expect(Object.fromEntries(metadata)["tokenizer.ggml.pre"]).toEqual({ type: "string", value: "gpt-2" })
    expect(differences).toEqual([expect.stringContaining("texts are cut as gpt-2, which was asked for")])
  })

  it("is refused where another fits", () => {
    expect(() => near(BYTE_LEVEL.qwen2)).toThrow(/by the name qwen2; leave --pre out/)
    expect(near(BYTE_LEVEL["gpt-2"]).differences).toEqual([])
  })
})

describe("a tokenizer of sentencepiece's kind", () => {
  it("has a score for each token, the higher the earlier it is made, and bytes and the unknown token by their kinds", () => {
    const found = told(PIECES["Llama 2's"])
    expect(found).toMatchObject({
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.pre": "default",
      "tokenizer.ggml.add_space_prefix": true,
      "tokenizer.ggml.unknown_token_id": 0,
    })
    const tokens = found["tokenizer.ggml.tokens"] as string[]
    const types = found["tokenizer.ggml.token_type"] as number[]
    const scores = found["tokenizer.ggml.scores"] as number[]
    expect(types.slice(0, 4)).toEqual([2, 3, 3, 6])
    const { merges } = pieceModel()
    const made = [...new Set(merges.map(([left, right]) => left + right))]
    const inOrder = made.map((piece) => scores[tokens.indexOf(piece)]!)
    expect(inOrder).toEqual(made.map((_, place) => -place))
    expect(Math.max(...scores.filter((_, id) => !made.includes(tokens[id]!)))).toBeLessThan(inOrder.at(-1)!)
  })

  it("puts no space before texts where Gemma's does not, and says where Metaspace does otherwise", () => {
    expect(told(PIECES["Gemma's"])).toMatchObject({ "tokenizer.ggml.add_space_prefix": false, differences: [] })
    expect(told(PIECES["Metaspace, prepended,"])).toMatchObject({ "tokenizer.ggml.add_space_prefix": true })
    expect(told(PIECES["Metaspace, prepended,"]).differences).toHaveLength(1)
    expect(told(PIECES["Metaspace, prepended to the first,"])).toMatchObject({
      "tokenizer.ggml.add_space_prefix": false,
      differences: [expect.stringContaining("begin plain texts with a space")],
    })
  })

  it("leaves runs of marked spaces to the merges, though they are added tokens", () => {
    const model = pieceModel()
    const runs = ["▁▁", "▁▁▁▁"]
    const vocab: Record<string, number> = { ...model.vocab }
    for (const run of runs) vocab[run] ??= Object.keys(vocab).length
    const others = model.merges.filter((pair) => !runs.includes(pair.join("")))
    const merges = [
      ["▁▁", "▁▁"],
      ...(vocab["▁▁▁"] === undefined
        ? []
        : [
            ["▁▁▁", "▁"],
            ["▁", "▁▁▁"],
          ]),
      ["▁", "▁"],
      ...others,
    ]
    const made = withParts({ ...model, vocab, merges }, { normalizer: PIECES["Gemma's"].normalizer })
    for (const run of runs) {
      ;(made.added_tokens as object[]).push({
        ...{ id: vocab[run], content: run, single_word: false, lstrip: false, rstrip: false },
        ...{ normalized: false, special: false },
      })
    }
    const found = told(made)
    const types = found["tokenizer.ggml.token_type"] as number[]
    for (const run of runs) expect(types[vocab[run]!]).toBe(1)
    expect(found.differences).toEqual([expect.stringContaining("texts that hold ▁ themselves")])
  })
})

describe("the tokens", () => {
  it("are as many as the model has rows: what no token has is unused, what no row has is left out and told", () => {
    const { model } = PIECES["Gemma's"]
    const own = Object.keys(model.vocab as object).length
    const more = told(PIECES["Gemma's"])
    expect((more["tokenizer.ggml.tokens"] as string[]).slice(own)).toEqual([
      `[PAD${own}]`,
      `[PAD${own + 1}]`,
      `[PAD${own + 2}]`,
    ])
    expect((more["tokenizer.ggml.token_type"] as number[]).slice(own)).toEqual([5, 5, 5])
    const extra = withParts(model, { normalizer: PIECES["Gemma's"].normalizer }, [{ content: "<image>" }])
    const fewer = told(extra, {}, own)
    expect(fewer["tokenizer.ggml.tokens"]).toHaveLength(own)
    expect(fewer.differences).toEqual([expect.stringContaining("leaves out 1 tokens of the tokenizer: <image>")])
  })

  it("that llama.cpp takes for marks by their names are told where they are ordinary ones", () => {
    const { model } = BYTE_LEVEL["gpt-2"]
    const vocab = model.vocab as Record<string, number>
    const ordinary = { ...model, vocab: { ...vocab, "<EOT>": Object.keys(vocab).length } }
    const parts = { pre_tokenizer: BYTE_LEVEL["gpt-2"].pre_tokenizer, decoder: BYTE_LEVEL["gpt-2"].decoder }
    expect(told(withParts(ordinary, parts)).differences).toEqual([expect.stringContaining("takes <EOT> for marks")])
    expect(told(withParts(model, parts, [{ content: "<EOT>" }])).differences).toEqual([])
  })
})

describe("the ids that begin and end a text", () => {
  it("are the config's, with what generation_config.json adds; three at most can be told", () => {
    const generationConfigJson = JSON.stringify({ eos_token_id: [2, 5, 6, 7] })
    expect(told(BYTE_LEVEL["gpt-2"], { generationConfigJson })).toMatchObject({
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2,
      "tokenizer.ggml.eot_token_id": 5,
      "tokenizer.ggml.eom_token_id": 6,
      "tokenizer.ggml.add_bos_token": false,
      "tokenizer.ggml.add_eos_token": false,
      differences: [expect.stringContaining("1 of this model's are left out")],
    })
  })

  it("put the BOS before a text where the post-processor or add_bos_token does", () => {
    const post_processor = TOKENIZERS["BPE with byte fallback as Llama 2"]!.post_processor
    const { model, ...parts } = BYTE_LEVEL["gpt-2"]
    const adding = withParts(model, { ...parts, post_processor })
    expect(told(adding)["tokenizer.ggml.add_bos_token"]).toBe(true)
    const tokenizerConfigJson = { ...CONFIG, add_bos_token: false }
    expect(told(adding, { tokenizerConfigJson })["tokenizer.ggml.add_bos_token"]).toBe(false)
  })

  it("come with both chat templates", () => {
    const chat_template = [
      { name: "default", template: "{{ messages }}" },
      { name: "tool_use", template: "{{ tools }}" },
    ]
    expect(told(BYTE_LEVEL["gpt-2"], { tokenizerConfigJson: { ...CONFIG, chat_template } })).toMatchObject({
      "tokenizer.chat_template": "{{ messages }}",
      "tokenizer.chat_templates": ["tool_use"],
      "tokenizer.chat_template.tool_use": "{{ tools }}",
    })
  })
})

describe("what llama.cpp has not is refused by name", () => {
  const { model: bytes, added_tokens: _, ...byteParts } = BYTE_LEVEL["gpt-2"]
  const { model: pieces, added_tokens: __, ...pieceParts } = PIECES["Gemma's"]
  const apart = pieceModel()
  const madeAt = (at: number) => apart.merges[at]!.join("")
  /** A merge whose token the one before it makes too. */
  const again = apart.merges.findIndex((_, at) => at > 0 && madeAt(at) === madeAt(at - 1))
  const cases: readonly (readonly [string, Tokenizer, RegExp])[] = [
    ["Unigram", tokenizer(unigramModel(true) as never), /a Unigram tokenizer is not written for llama\.cpp/],
    ["another expression", TOKENIZERS["Split as deepseek"]!, /no pre-tokenizer known here that cuts a text by/],
    [
      "a space before texts of bytes",
      withParts(bytes, { ...byteParts, pre_tokenizer: { type: "ByteLevel", add_prefix_space: true, use_regex: true } }),
      /no pre-tokenizer known here/,
    ],
    [
      "GPT-2's cuts with ignore_merges",
      withParts(byteLevelModel({ ignore_merges: true }), byteParts),
      /with ignore_merges/,
    ],
    [
      "a normalizer before bytes",
      withParts(bytes, { ...byteParts, normalizer: { type: "Lowercase" } }),
      /no normalizer Lowercase before the byte level/,
    ],
    [
      "an unknown token in the place of bytes",
      withParts(
        byteLevelModel({
          unk_token: "<unk>",
          vocab: Object.fromEntries(
            Object.entries(bytes.vocab as object).map(([each, id]) => [each === "é" ? "?!" : each, id]),
          ),
        }),
        byteParts,
      ),
      /makes no <unk> of bytes that the vocab lacks/,
    ],
    ["characters without bytes", withParts(characterModel({}, false), pieceParts), /it has no <0x00>/],
    [
      "a normalizer that does more than mark spaces",
      withParts(pieces, { ...pieceParts, normalizer: { type: "NFKC" } }),
      /no way to write spaces as this tokenizer does/,
    ],
    [
      "cuts at spaces that tokens span",
      withParts(
        { ...pieces, vocab: { ...(pieces.vocab as object), "a▁a": Object.keys(pieces.vocab as object).length } },
        { pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "never", split: true } },
      ),
      /does not cut at spaces before it merges/,
    ],
    [
      "flags of added tokens",
      withParts(bytes, byteParts, [{ content: "<r>", rstrip: true } as never]),
      /"<r>" has rstrip/,
    ],
    [
      "merges of one token that stand apart",
      withParts({ ...apart, merges: [...apart.merges.toSpliced(again, 1), apart.merges[again]!] }, pieceParts),
      /the merges that make ".+" stand apart/,
    ],
    [
      "neighbours that are a token and are not merged",
      withParts({ ...apart, merges: apart.merges.slice(0, -1) }, pieceParts),
      /of the \d+ ways to make ".+" of two tokens, \d+ are merges/,
    ],
  ]
  test.each(cases)("%s", (_, tokenizerJson, message) => {
    expect(() => told(tokenizerJson)).toThrow(InvalidGguf)
    expect(() => told(tokenizerJson)).toThrow(message)
  })

  it("a text that nothing ends", () => {
    const tokenizerConfigJson = { tokenizer_class: "PreTrainedTokenizerFast", bos_token: "<s>" }
    expect(() => told(BYTE_LEVEL["gpt-2"], { tokenizerConfigJson })).toThrow(/nothing says which token ends a text/)
  })
})

it("gives the scores of any vocabulary whose merges are all there, in any order of its tokens", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000 }), (seed) => {
      const { vocab, merges } = pieceModel(seed)
      const idOf = new Map(Object.entries(vocab))
      const scores = pieceScores(merges, idOf, idOf.size, () => false)
      for (const [at, [left, right]] of merges.entries()) {
        const [laterLeft, laterRight] = merges[at + 1] ?? [left, right]
        const [score, later] = [scores[idOf.get(left + right)!]!, scores[idOf.get(laterLeft + laterRight)!]!]
        expect(score).toBeGreaterThanOrEqual(later)
      }
    }),
    { numRuns: 20 },
  )
})
