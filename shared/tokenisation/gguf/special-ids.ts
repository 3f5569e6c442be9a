// Which tokens begin and end a text, as llama.cpp is told. It ends generation at three ids that are told (eos, eot, eom) and at tokens
// that it knows by their text. Source: llama.cpp, src/llama-vocab.cpp (llama_vocab::impl::load).
import { type GgufMetadata, type GgufValue, InvalidGguf } from "#shared/formats/gguf/container.ts"
import { findSpecialTokens } from "../chat-template.ts"
import { findGenerationEnds, findPrefix, specialTokenId } from "../tokenizer-files.ts"
import type { GgufVocabulary, VocabularySource } from "./vocabulary-source.ts"

const END_KEYS = ["eos", "eot", "eom"]

/** Throws InvalidGguf where nothing ends a text, or where more than the BOS is put before it. */
export function specialIds(
  { encoder, model, size }: VocabularySource,
  config: Readonly<Record<string, unknown>>,
  generationConfig: string | undefined,
  endTokenIds: readonly number[],
): GgufVocabulary {
  const tokens = findSpecialTokens(config)
  const idOf = (name: string) => {
    const found = specialTokenId(encoder, tokens, name)
    return found !== undefined && found < size ? found : undefined
  }
  const bos = idOf("bos_token")
  const eos = idOf("eos_token")
  const named = [...(eos === undefined ? [] : [eos]), ...findGenerationEnds(generationConfig)]
  const ends = [...new Set(named.length > 0 ? named : endTokenIds)].filter((end) => end < size)
  if (ends.length === 0) {
    throw new InvalidGguf("nothing says which token ends a text; name an eos_token in tokenizer_config.json")
  }
  const prefix = findPrefix(encoder, config.add_bos_token, bos)
  if (prefix.length > 1 || (prefix.length === 1 && prefix[0] !== bos)) {
    throw new InvalidGguf(`llama.cpp puts nothing but the BOS before a text, and this tokenizer the ids ${prefix}`)
  }
  const pad = typeof tokens.pad_token === "string" ? encoder.idOf(tokens.pad_token) : undefined
  const unknown = typeof model.unk_token === "string" ? encoder.idOf(model.unk_token) : undefined
  const ids: [string, number | undefined][] = [
    // It has a preset of its own where none is told; it is put nowhere.
    ["bos", bos ?? ends[0]!],
    ...END_KEYS.map((key, index): [string, number | undefined] => [key, ends[index]]),
    ["unknown", unknown],
    ["padding", pad],
  ]
  const metadata: GgufMetadata = [
    ...ids.flatMap(([key, id]) =>
      id === undefined || id >= size
        ? []
        : [[`tokenizer.ggml.${key}_token_id`, { type: "uint32", value: id } satisfies GgufValue] as const],
    ),
    ["tokenizer.ggml.add_bos_token", { type: "boolean", value: prefix.length > 0 }],
    // What follows a prompt is for the model to say, also where the tokenizer would close every text.
    ["tokenizer.ggml.add_eos_token", { type: "boolean", value: false }],
  ]
  const more = ends.length - END_KEYS.length
  const differences =
    more > 0 ? [`llama.cpp can be told three ids that end a text, and ${more} of this model's are left out`] : []
  return { metadata, differences }
}
