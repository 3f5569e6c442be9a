// A tokenizer as the metadata of a model file for llama.cpp, in either kind that it has for byte pair encoding: byte level with merges
// ("gpt2"), and sentencepiece's with scores ("llama"). What it has not is refused by name; what it does otherwise is told.
// Source: llama.cpp, gguf-py/gguf/constants.py (keys), conversion/base.py and src/llama-vocab.cpp (what they mean).
import { type GgufMetadata, type GgufValue, InvalidGguf } from "#shared/formats/gguf/container.ts"
import { findChatTemplates } from "../chat-template-files.ts"
import { BYTE_CHARACTERS } from "../encoder/byte-characters.ts"
import { byteToken } from "../encoder/byte-token.ts"
import { partOf } from "../encoder/field.ts"
import type { TokenisationFiles } from "../tokenisation.ts"
import { parseObject, withSpecialTokensMap } from "../tokenizer-files.ts"
import { pieceScores } from "./piece-scores.ts"
import { flat, preTokeniserName } from "./pre-tokeniser-name.ts"
import { SPACE_MARK, spaceForm } from "./space-form.ts"
import { specialIds } from "./special-ids.ts"
import { isFoundInText, tokenList } from "./token-list.ts"
import { type GgufVocabulary, type VocabularySource, vocabularySource } from "./vocabulary-source.ts"

const text = (value: string): GgufValue => ({ type: "string", value })

/**
 * The metadata of a tokenizer for a model of `vocabularySize` rows. `endTokenIds` are config.json's, for where the tokenizer names none;
 * `nearPreTokeniser` is one of llama.cpp's for where none cuts texts as the tokenizer does.
 * Throws InvalidTokenizer where a file cannot be read, InvalidGguf where llama.cpp has no such tokenizer.
 */
export function ggufVocabulary(
  files: TokenisationFiles & { readonly vocabularySize: number },
  endTokenIds: readonly number[],
  nearPreTokeniser?: string,
): GgufVocabulary {
  const config = withSpecialTokensMap(
    parseObject(files.tokenizerConfigJson, "tokenizer_config.json"),
    files.specialTokensMapJson,
  )
  const source = vocabularySource(files, config)
  const isByteLevel = flat(partOf(source.tokenizer.pre_tokenizer, "pre_tokenizer")).at(-1)?.type === "ByteLevel"
  const kind = isByteLevel ? byteLevel(source, nearPreTokeniser) : sentencePiece(source)
  const tokens = tokenList(source, isByteLevel)
  const special = specialIds(source, config, files.generationConfigJson, endTokenIds)
  const templates = findChatTemplates({ ...files, tokenizerConfig: config })
  const metadata: GgufMetadata = [
    ...kind.metadata,
    ["tokenizer.ggml.tokens", { type: "strings", value: tokens.texts }],
    ["tokenizer.ggml.token_type", { type: "int32s", value: tokens.types }],
    ...special.metadata,
    ...(templates.main === undefined ? [] : [["tokenizer.chat_template", text(templates.main)] as const]),
    ...(templates.toolUse === undefined || templates.main === undefined
      ? []
      : [
          ["tokenizer.chat_templates", { type: "strings", value: ["tool_use"] }] as const,
          ["tokenizer.chat_template.tool_use", text(templates.toolUse)] as const,
        ]),
  ]
  return { metadata, differences: [...kind.differences, ...tokens.differences, ...special.differences] }
}

function byteLevel({ tokenizer, model, idOf, merges }: VocabularySource, near: string | undefined): GgufVocabulary {
  const { name, difference } = preTokeniserName(tokenizer.pre_tokenizer, model.ignore_merges === true, near)
  const differences = difference === undefined ? [] : [difference]
  const normaliser = partOf(tokenizer.normalizer, "normalizer")
  if (normaliser?.type === "NFC") {
    differences.push(
      "llama.cpp does not normalise texts to NFC: give it composed characters (é as one, not as e with an accent)",
    )
  } else if (normaliser !== undefined) {
    throw new InvalidGguf(
      `llama.cpp has no normalizer ${normaliser.type} before the byte level; export it as merged for another runtime`,
    )
  }
  if (!BYTE_CHARACTERS.every((character) => idOf.has(character))) {
    if (model.unk_token !== null && model.unk_token !== undefined) {
      throw new InvalidGguf(`llama.cpp makes no ${model.unk_token} of bytes that the vocab lacks; add them to it`)
    }
    differences.push(
      "the vocab lacks some of the 256 bytes: characters of such are left out, and do not part what stands around them here",
    )
  }
  return {
    metadata: [
      ["tokenizer.ggml.model", text("gpt2")],
      ["tokenizer.ggml.pre", text(name)],
      ["tokenizer.ggml.merges", { type: "strings", value: merges.map(([left, right]) => `${left} ${right}`) }],

      ["tokenizer.ggml.add_space_prefix", { type: "boolean", value: false }],
    ],
    differences,
  }
}

function sentencePiece({ tokenizer, model, encoder, idOf, merges, size }: VocabularySource): GgufVocabulary {
  const { addsSpace, cutsAtSpaces, difference } = spaceForm(tokenizer.normalizer, tokenizer.pre_tokenizer)
  const refused = (what: string) => new InvalidGguf(`${what}; export it as merged for another runtime`)
  const lacked = Array.from({ length: 256 }, (_, byte) => byteToken(byte)).find((token) => !idOf.has(token))
  if (model.byte_fallback !== true || lacked !== undefined) {
    throw refused(
      `llama.cpp reads characters that the vocab lacks as their bytes, and it has no ${lacked ?? "byte_fallback"}`,
    )
  }
  if (model.ignore_merges === true)
    throw refused("llama.cpp merges this kind of vocabulary whatever ignore_merges says")
  const isInside = (token: string) => token.lastIndexOf(SPACE_MARK) > 0
  if (cutsAtSpaces && [...idOf.keys()].some(isInside)) {
    throw refused("llama.cpp does not cut at spaces before it merges, and the vocab has tokens with spaces inside")
  }
  const found = new Set(Array.from(encoder.addedTokens, (token) => (isFoundInText(token) ? token.content : "")))
  const scores = pieceScores(merges, idOf, Math.max(size, encoder.size), (token) => found.has(token))
  return {
    metadata: [
      ["tokenizer.ggml.model", text("llama")],
      ["tokenizer.ggml.pre", text("default")],
      ["tokenizer.ggml.scores", { type: "float32s", value: [...scores.subarray(0, size)] }],
      ["tokenizer.ggml.add_space_prefix", { type: "boolean", value: addsSpace }],
    ],
    differences: difference === undefined ? [] : [difference],
  }
}
