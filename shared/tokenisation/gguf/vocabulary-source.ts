// A tokenizer's files as what is written for llama.cpp is made of them: the values of tokenizer.json, and our own encoder, which has
// looked at all its parts.
import { type GgufMetadata, InvalidGguf } from "#shared/formats/gguf/container.ts"
import { Encoder } from "../encoder/encoder.ts"
import { type Part, partOf } from "../encoder/field.ts"
import type { TokenisationFiles } from "../tokenisation.ts"
import { parseObject, withAddedTokens } from "../tokenizer-files.ts"

export interface GgufVocabulary {
  readonly metadata: GgufMetadata
  /** What is not in llama.cpp as it is here, each a sentence for people. */
  readonly differences: readonly string[]
}

/** A tokenizer and what llama.cpp asks of it. */
export interface VocabularySource {
  readonly tokenizer: Readonly<Record<string, unknown>>
  readonly model: Part
  readonly encoder: Encoder
  readonly idOf: ReadonlyMap<string, number>
  readonly merges: readonly (readonly [string, string])[]
  /** Rows of the model's embedding: llama.cpp has a token for each. */
  readonly size: number
}

/** Throws InvalidTokenizer where a file cannot be read, InvalidGguf where it is no byte pair encoding that llama.cpp has. */
export function vocabularySource(
  files: TokenisationFiles & { readonly vocabularySize: number },
  config: Record<string, unknown>,
): VocabularySource {
  const { tokenizerJson } = files
  const json = tokenizerJson instanceof Uint8Array ? new TextDecoder().decode(tokenizerJson) : tokenizerJson
  const tokenizer = withAddedTokens(parseObject(json, "tokenizer.json"), config)
  const encoder = new Encoder(tokenizer)
  const model = partOf(tokenizer.model, "model")!
  if (model.type !== "BPE") {
    throw new InvalidGguf(
      `a ${model.type} tokenizer is not written for llama.cpp here, only BPE; export it as merged for another runtime`,
    )
  }
  if ((model.continuing_subword_prefix ?? "") !== "" || (model.end_of_word_suffix ?? "") !== "") {
    throw new InvalidGguf(
      "llama.cpp has no prefix or suffix of parts of words; export it as merged for another runtime",
    )
  }
  const idOf = new Map(Object.entries(model.vocab as Record<string, number>))
  return { tokenizer, model, encoder, idOf, merges: mergesOf(model), size: files.vocabularySize }
}

/** Without the line of a version that some have, and of a pair that stands twice only the later, which is the one that counts. */
function mergesOf({ merges }: Part): (readonly [string, string])[] {
  const all = (merges as readonly (string | readonly [string, string])[])
    .filter((merge) => typeof merge !== "string" || !merge.startsWith("#version"))
    .map((merge) => (typeof merge === "string" ? merge.split(" ") : merge) as readonly [string, string])
  const lastAt = new Map(all.map(([left, right], at) => [`${left} ${right}`, at]))
  return lastAt.size === all.length ? all : all.filter(([left, right], at) => lastAt.get(`${left} ${right}`) === at)
}
