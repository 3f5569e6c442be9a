// tokenizer.json in each form that llama.cpp can be given, small, with many merges so that it shows where a text is cut.
import { EXPRESSIONS, tokenizer } from "../encoder/tokenizers.ts"
import { BYTE_TOKENS, byteLevelModel, makeMerges, SPECIAL } from "../encoder/vocabularies.ts"

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true }
const bytesOnly = { ...byteLevel, use_regex: false }
const inTurn = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers })
const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false })
const mark = { type: "Replace", pattern: { String: " " }, content: "▁" }

const TEKKEN = EXPRESSIONS.gpt4o!.replaceAll("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", "")

const bytes = (pre_tokenizer: object, model: object = {}, parts: object = {}) =>
  tokenizer(byteLevelModel(model as Record<string, unknown>), { pre_tokenizer, decoder: byteLevel, ...parts })

/** By the name that llama.cpp has for how they cut. */
export const BYTE_LEVEL = {
  "gpt-2": bytes(byteLevel),
  smollm: bytes(inTurn({ type: "Digits", individual_digits: true }, byteLevel)),
  "smaug-bpe": bytes(inTurn(split(EXPRESSIONS.llama3!), bytesOnly)),
  "llama-bpe": bytes(inTurn(split(EXPRESSIONS.llama3!), bytesOnly), { ignore_merges: true }),
  qwen2: bytes(inTurn(split(EXPRESSIONS.qwen2!), bytesOnly)),
  qwen35: bytes(inTurn(split(EXPRESSIONS.qwen35!), bytesOnly)),
  tekken: bytes(inTurn(split(TEKKEN), bytesOnly), { ignore_merges: true }),
  "gpt-4o": bytes(inTurn(split(EXPRESSIONS.gpt4o!), bytesOnly)),
}

const LETTERS = [..."▁abcdehinorst019.,'é茶"]

/** As sentencepiece's vocabularies are converted: tokens in the order of their scores, each with every two tokens that it can be made of. */
export function pieceModel(seed = 5) {
  const made = makeMerges(LETTERS, 160, seed).map((pair) => pair.join(""))
  const pieces = [...new Set(made)].filter((piece) => !LETTERS.includes(piece))
  const tokens = [...SPECIAL, ...BYTE_TOKENS, ...LETTERS, ...pieces]
  const known = new Set(tokens)
  const merges = pieces.flatMap((piece) =>
    Array.from({ length: piece.length - 1 }, (_, at) => [piece.slice(0, at + 1), piece.slice(at + 1)]).filter((pair) =>
      pair.every((part) => known.has(part)),
    ),
  )
  const rest = { dropout: null, unk_token: "<unk>", continuing_subword_prefix: null, end_of_word_suffix: null }
  return {
    ...{ type: "BPE", ...rest, fuse_unk: true, byte_fallback: true, ignore_merges: false },
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: merges as [string, string][],
  }
}

const prepended = { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, mark] }
const metaspace = (prepend_scheme: string) => ({ type: "Metaspace", replacement: "▁", prepend_scheme, split: false })
const pieces = pieceModel()

/** By whose tokenizer has such. */
export const PIECES = {
  "Llama 2's": tokenizer(pieces, { normalizer: prepended }),
  "Gemma's": tokenizer(pieces, {
    normalizer: mark,
    pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
  }),
  "Metaspace, never prepended,": tokenizer(pieces, { pre_tokenizer: metaspace("never") }),
  "Metaspace, prepended,": tokenizer(pieces, { pre_tokenizer: metaspace("always") }),
  "Metaspace, prepended to the first,": tokenizer(pieces, { pre_tokenizer: metaspace("first") }),
}

export const CONFIG = { tokenizer_class: "PreTrainedTokenizerFast", bos_token: "<s>", eos_token: "</s>" }

/** Rows of the embedding that the tokenizer needs, and three that it does not. */
export function rowsFor({ model }: { readonly model: { readonly vocab?: unknown } }): number {
  return Object.keys(model.vocab as object).length + 3
}
