// How a tokenizer of sentencepiece's kind writes spaces, in either spelling of tokenizer.json, and what llama.cpp can be told of it: that
// a space is put before a text and after each special token (add_space_prefix), or never.
import { InvalidGguf } from "#shared/formats/gguf/container.ts"
import { type Part, partOf, partsOf } from "../encoder/field.ts"
import { flat } from "./pre-tokeniser-name.ts"

/** What stands for a space in the vocabulary. */
export const SPACE_MARK = "▁"

export interface SpaceForm {
  readonly addsSpace: boolean
  /** Pieces end before each space: no token spans two. */
  readonly cutsAtSpaces: boolean
  readonly difference: string | undefined
}

/** Throws InvalidGguf for what is neither spelling. */
export function spaceForm(normalizer: unknown, preTokenizer: unknown): SpaceForm {
  const normalisers = stepsOf(partOf(normalizer, "normalizer"))
  const [cut, ...others] = flat(partOf(preTokenizer, "pre_tokenizer"))
  const prepends = normalisers[0]?.type === "Prepend" && normalisers[0].prepend === SPACE_MARK
  const [replace, ...more] = prepends ? normalisers.slice(1) : normalisers
  if (others.length === 0 && more.length === 0) {
    if (replace === undefined && !prepends && cut?.type === "Metaspace" && cut.replacement === SPACE_MARK) {
      return metaspaceForm(cut)
    }
    const isMarked = replace?.type === "Replace" && isSpace(replace.pattern) && replace.content === SPACE_MARK
    // After the replacement no space is left to cut at.
    const isIdle = cut === undefined || (cut.type === "Split" && isSpace(cut.pattern))
    if (isMarked && isIdle) return { addsSpace: prepends, cutsAtSpaces: false, difference: undefined }
  }
  throw new InvalidGguf(
    `llama.cpp has no way to write spaces as this tokenizer does, with the normalizer ${JSON.stringify(normalizer)} and the pre_tokenizer ${JSON.stringify(preTokenizer)}; export it as merged for another runtime`,
  )
}

function stepsOf(part: Part | undefined): Part[] {
  if (part === undefined) return []
  return part.type === "Sequence" ? partsOf(part.normalizers, "normalizers").flatMap(stepsOf) : [part]
}

const isSpace = (pattern: unknown): boolean => (pattern as Part | undefined)?.String === " "

function metaspaceForm({ prepend_scheme: scheme, split }: Part): SpaceForm {
  const cutsAtSpaces = split !== false
  if (scheme === "never") return { addsSpace: false, cutsAtSpaces, difference: undefined }
  if (scheme === "first") {
    // After special tokens, which templates are full of, there is none: llama.cpp would put one after each, or none anywhere.
    const difference =
      "this tokenizer puts a space before a text, not after special tokens, and llama.cpp none: begin plain texts with a space"
    return { addsSpace: false, cutsAtSpaces, difference }
  }
  const difference =
    "llama.cpp puts a space before a text, and after each special token, also where there is one already, and this tokenizer does not"
  return { addsSpace: true, cutsAtSpaces, difference }
}
