// The tokens of a vocabulary by their ids, with llama.cpp's kinds, one for each row of the model's embedding.
// Source: llama.cpp, conversion/base.py (get_vocab_base), src/llama-vocab.cpp (tokenizer_st_partition: what is found in a text first).
import { InvalidGguf } from "#shared/formats/gguf/container.ts"
import type { AddedToken } from "../encoder/added-tokens.ts"
import { partOf } from "../encoder/field.ts"
import { SPACE_MARK } from "./space-form.ts"
import type { VocabularySource } from "./vocabulary-source.ts"

/** llama.cpp's kinds of tokens. */
const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const
/**
 * What llama.cpp takes for a mark by its text alone, whatever the file says: it ends generation at most of them, and finds all in texts
 * first. Source: src/llama-vocab.cpp (llama_vocab::impl::load).
 */
const MARKS_BY_TEXT = new Set([
  ...["<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>"],
  ...["<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<eos>"],
  ...["<end_of_utterance>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~["],
  // Of code that is filled in: before, after, between; then padding, repositories and files, which end generation too.
  ...[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
  ],
  ...[
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
  ],
  ...[
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
  ],
  ...[
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
  ],
  ...["<reponame>", "<|file_sep|>"],
])
const BYTE = /^<0x[0-9A-F]{2}>$/

export interface TokenList {
  readonly texts: readonly string[]
  readonly types: readonly number[]
  readonly differences: readonly string[]
}

/** Throws InvalidGguf where two ids would have one text, which llama.cpp does not survive, and for flags of added tokens that it has not. */
export function tokenList(
  { encoder, model, idOf, size, tokenizer }: VocabularySource,
  isByteLevel: boolean,
): TokenList {
  const texts = new Array<string | undefined>(size)
  const types = new Array<number>(size).fill(TYPE.unused)
  const beyond: string[] = []
  const set = (id: number, token: string, type: number) => {
    if (id >= size) beyond.push(token)
    else [texts[id], types[id]] = [token, type]
  }
  for (const [token, id] of idOf) set(id, token, !isByteLevel && BYTE.test(token) ? TYPE.byte : TYPE.normal)
  let isMarkedTokenMade = false
  const normaliser = partOf(tokenizer.normalizer, "normalizer")
  for (const added of encoder.addedTokens) {
    checkFlags(added, normaliser !== undefined && normaliser.type !== "NFC")
    const isUnknown = !isByteLevel && added.content === model.unk_token
    const type = isUnknown ? TYPE.unknown : added.isSpecial ? TYPE.control : TYPE.userDefined
    const isMadeByMerges = !isByteLevel && !isFoundInText(added) && idOf.has(added.content)
    isMarkedTokenMade ||= isMadeByMerges
    set(added.id, added.content, isMadeByMerges ? TYPE.normal : type)
  }
  const mistaken = texts.filter(
    (token, id) => token !== undefined && MARKS_BY_TEXT.has(token) && types[id] === TYPE.normal,
  )
  const taken = new Set(texts)
  const named = Array.from(texts, (token, id) => token ?? unusedName(id, taken))
  checkDifferent(named)
  const differences: string[] = []
  if (isMarkedTokenMade) {
    differences.push(
      `texts that hold ${SPACE_MARK} themselves, twice and more in a row, are cut otherwise by llama.cpp`,
    )
  }
  if (mistaken.length > 0) {
    differences.push(
      `llama.cpp takes ${mistaken.join(", ")} for marks, by their names, and here they are parts of texts`,
    )
  }
  if (beyond.length > 0) {
    const which = `${listed(beyond)}, for which the model has no rows`
    differences.push(`the file leaves out ${beyond.length} tokens of the tokenizer: ${which}`)
  }
  return { texts: named, types, differences }
}

/** Written with the mark of spaces, an added token is found in no text, whose spaces are not marked yet: merges alone make it. */
export function isFoundInText({ content, isSpecial }: AddedToken): boolean {
  return isSpecial || !content.includes(SPACE_MARK)
}

function listed(tokens: readonly string[]): string {
  return tokens.slice(0, 4).join(", ") + (tokens.length > 4 ? ", …" : "")
}

function unusedName(id: number, taken: ReadonlySet<string | undefined>): string {
  let name = `[PAD${id}]`
  while (taken.has(name)) name += "_"
  return name
}

function checkFlags({ content, stripsLeft, stripsRight, isSingleWord, isNormalised }: AddedToken, isChanged: boolean) {
  const flags = Object.entries({
    lstrip: stripsLeft,
    rstrip: stripsRight,
    single_word: isSingleWord,
    normalized: isNormalised && isChanged,
  })
  const [flag] = flags.find(([, isSet]) => isSet) ?? []
  if (flag === undefined) return
  throw new InvalidGguf(
    `llama.cpp finds added tokens as they are written, and ${JSON.stringify(content)} has ${flag}; set it to false in tokenizer.json and tokenizer_config.json`,
  )
}

function checkDifferent(tokens: readonly string[]): void {
  const idOf = new Map<string, number>()
  for (const [id, token] of tokens.entries()) {
    const other = idOf.get(token)
    if (other !== undefined) {
      throw new InvalidGguf(
        `the tokens ${other} and ${id} are both ${JSON.stringify(token)}, which llama.cpp cannot hold; use another tokenizer`,
      )
    }
    idOf.set(token, id)
  }
}
