// Tokenizers of the size and layout of models in use, made by a rule: tokens are joined from earlier ones, and every way to join a token
// from two others is a merge, as in the files of Llama 3 and Gemma 3.
import { BYTE_TOKENS, byteCharacters, numbers } from "./encoder/vocabularies.ts"

export interface Shape {
  readonly tokens: number
  readonly merges: number
  /** added tokens after the vocabulary */
  readonly reserved: number
}

const LLAMA_3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const QWEN = LLAMA_3.replace("{1,3}", "")
const LONGEST = 12

interface Joined {
  readonly tokens: readonly string[]
  readonly merges: readonly (readonly [string, string])[]
}

/** Joins tokens of an alphabet until there are enough; earlier tokens, which are shorter, are drawn more often. */
function joinTokens(alphabet: readonly string[], { tokens: wanted, merges: wantedMerges }: Shape): Joined {
  const random = numbers(wanted)
  const tokens = [...alphabet]
  const known = new Set(tokens)
  const draw = () => tokens[Math.floor(tokens.length * random.next().value! ** 4)]!
  const merges: (readonly [string, string])[] = []
  const others: (readonly [string, string])[] = []
  while (tokens.length < wanted) {
    const [left, right] = [draw(), draw()]
    const token = left + right
    if (token.length > LONGEST || known.has(token)) continue
    known.add(token)
    tokens.push(token)
    merges.push([left, right])
  }
  for (const token of tokens) {
    for (let at = 1; at < token.length && others.length + merges.length < wantedMerges; at++) {
      const [left, right] = [token.slice(0, at), token.slice(at)]
      if (known.has(left) && known.has(right)) others.push([left, right])
    }
  }
  return { tokens, merges: [...merges, ...others] }
}

const addedToken = (id: number, content: string) => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
})

const reserved = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => addedToken(from + index, `<|reserved_${index}|>`))

const rest = { version: "1.0", truncation: null, padding: null }
const bytesOnly = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false }
const bpe = { dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null }

const idsOf = (tokens: readonly string[]) => Object.fromEntries(tokens.map((token, id) => [token, id]))

/** Byte-level BPE as Llama 3 has it, its merges in one text each. */
export function llamaLike(shape: Shape = { tokens: 128_000, merges: 280_147, reserved: 256 }, isQwen = false): string {
  const { tokens, merges } = joinTokens(
    [..."aeinorstĠ", ...byteCharacters().filter((each) => !"aeinorstĠ".includes(each))],
    shape,
  )
  const split = { type: "Split", pattern: { Regex: isQwen ? QWEN : LLAMA_3 }, behavior: "Isolated", invert: false }
  const pairs = isQwen ? merges : merges.map((pair) => pair.join(" "))
  return JSON.stringify(
    {
      ...{ ...rest, added_tokens: reserved(tokens.length, shape.reserved), normalizer: null },
      pre_tokenizer: { type: "Sequence", pretokenizers: [split, bytesOnly] },
      ...{ post_processor: bytesOnly, decoder: bytesOnly },
      model: {
        type: "BPE",
        ...bpe,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: !isQwen,
        vocab: idsOf(tokens),
        merges: pairs,
      },
    },
    null,
    2,
  )
}

/** Byte-level BPE as Qwen 3 has it, its merges in lists of two. */
export const qwenLike = (shape: Shape = { tokens: 151_643, merges: 151_387, reserved: 26 }): string =>
  llamaLike(shape, true)

const LETTERS = [..."aeinorst▁", ..."bcdfghjklmpquvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"()-\n"]
const ideographs = (count: number) => Array.from({ length: count }, (_, index) => String.fromCodePoint(0x4e00 + index))

/** BPE of characters with byte tokens as Gemma 3 has it: 33 MB of JSON, most of them white space. */
export function gemmaLike(shape: Shape = { tokens: 262_144, merges: 514_906, reserved: 6415 }): string {
  const head = ["<pad>", "<eos>", "<bos>", "<unk>", ...BYTE_TOKENS]
  const alphabet = [...LETTERS, ...ideographs(Math.min(20_000, Math.floor(shape.tokens / 12)))]
  const { tokens, merges } = joinTokens(alphabet, { ...shape, tokens: shape.tokens - head.length - shape.reserved })
  const unused = Array.from({ length: shape.reserved }, (_, index) => `<unused${index}>`)
  const all = [...head, ...unused, ...tokens]
  const space = { String: " " }
  return JSON.stringify(
    {
      ...rest,
      added_tokens: all
        .slice(0, 4)
        .concat(unused)
        .map((content) => addedToken(all.indexOf(content), content)),
      normalizer: { type: "Replace", pattern: space, content: "▁" },
      pre_tokenizer: { type: "Split", pattern: space, behavior: "MergedWithPrevious", invert: false },
      post_processor: null,
      decoder: {
        type: "Sequence",
        decoders: [
          { type: "Replace", pattern: { String: "▁" }, content: " " },
          { type: "ByteFallback" },
          { type: "Fuse" },
        ],
      },
      model: {
        type: "BPE",
        ...bpe,
        unk_token: "<unk>",
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab: idsOf(all),
        merges,
      },
    },
    null,
    2,
  )
}

/** Unigram as XLM-R has it. */
export function unigramLike(shape: Shape = { tokens: 250_000, merges: 0, reserved: 0 }): string {
  const { tokens } = joinTokens([...LETTERS, ...ideographs(Math.floor(shape.tokens / 12))], shape)
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true }
  const vocab = [
    ["<s>", 0],
    ["<pad>", 0],
    ["</s>", 0],
    ["<unk>", 0],
    ...tokens.slice(4).map((token, at) => [token, -Math.log(at + 9)]),
  ]
  return JSON.stringify(
    {
      ...rest,
      added_tokens: ["<s>", "<pad>", "</s>", "<unk>"].map((content, id) => addedToken(id, content)),
      normalizer: null,
      ...{ pre_tokenizer: metaspace, post_processor: null, decoder: metaspace },
      model: { type: "Unigram", unk_id: 3, vocab, byte_fallback: false },
    },
    null,
    2,
  )
}
