// What a tokenizer's files say about its special tokens and the ids it puts before a text.
import { isLfsPointer } from "#shared/formats/git-lfs.ts"
import { readJsonObject } from "#shared/formats/json-object.ts"
import type { SpecialTokens } from "./chat-template.ts"
import type { Encoder } from "./encoder/encoder.ts"
import { InvalidTokenizer, repeatedKey } from "./invalid-tokenizer.ts"

/** Throws InvalidTokenizer where a file's text is what Git LFS leaves in its place: a template would be rendered as if it said that. */
export function refusePointer(text: string, file: string): void {
  if (!isLfsPointer(text)) return
  throw new InvalidTokenizer(`${file} is a Git LFS pointer, not the file itself: run git lfs pull in the model folder`)
}

const NOT_JSON = "is not JSON; fetch the model folder again"
const JSON_FAULTS = {
  notUtf8: NOT_JSON,
  notJson: NOT_JSON,
  notObject: "is not a JSON object; fetch the model folder again",
  repeatedKey,
}

/** A JSON object, given as text or parsed. Throws InvalidTokenizer naming the file, also where a key stands twice in the text. */
export function parseObject(value: unknown, file: string): Record<string, unknown> {
  const refused = (fault: string) => new InvalidTokenizer(`${file} ${fault}`)
  if (typeof value === "string") {
    refusePointer(value, file)
    return readJsonObject(value, JSON_FAULTS, refused)
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw refused(JSON_FAULTS.notObject)
}

/**
 * tokenizer_config.json with the special tokens that count, as transformers 4 reads them: where the config has no
 * added_tokens_decoder (files of before 2023), those of special_tokens_map.json come before its own; else the map is not read.
 */
export function withSpecialTokensMap(
  config: Readonly<Record<string, unknown>>,
  specialTokensMap: string | undefined,
): Record<string, unknown> {
  if (specialTokensMap === undefined || config.added_tokens_decoder !== undefined) return { ...config }
  const map = Object.entries(parseObject(specialTokensMap, "special_tokens_map.json"))
  return { ...config, ...Object.fromEntries(map.filter(([name]) => name.endsWith("_token"))) }
}

const TOKEN_FLAGS = ["single_word", "lstrip", "rstrip", "normalized", "special"] as const

/**
 * tokenizer.json with the added tokens of tokenizer_config.json, as transformers 4 adds them: flags of a token that both have
 * are those of the config. Throws InvalidTokenizer.
 */
export function withAddedTokens(
  tokenizer: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (config.split_special_tokens === true) {
    throw new InvalidTokenizer(
      "tokenizer_config.json has split_special_tokens, under which a chat template's marks are no tokens; remove it",
    )
  }
  const added = config.added_tokens_decoder ?? {}
  const tokens = new Map<unknown, object>()
  for (const token of Array.isArray(tokenizer.added_tokens) ? tokenizer.added_tokens : []) {
    tokens.set((token as { content?: unknown } | null)?.content, token)
  }
  const byId = Object.entries(added as Record<string, Record<string, unknown> | null>)
  for (const [id, token] of byId.sort(([a], [b]) => Number(a) - Number(b))) {
    const content = token?.content
    if (typeof content !== "string") {
      throw new InvalidTokenizer(`added_tokens_decoder of tokenizer_config.json has no content for ${id}; correct it`)
    }
    const presets = { single_word: false, lstrip: false, rstrip: false, special: false, normalized: !token?.special }
    const flags = Object.fromEntries(TOKEN_FLAGS.map((flag) => [flag, token?.[flag] ?? presets[flag]]))
    tokens.set(content, { id: Number(id), ...tokens.get(content), content, ...flags })
  }
  return { ...tokenizer, added_tokens: [...tokens.values()] }
}

/** Id of bos_token or eos_token; undefined where the files name none. Throws InvalidTokenizer when the tokenizer lacks it. */
export function specialTokenId(encoder: Encoder, tokens: SpecialTokens, name: string): number | undefined {
  const text = tokens[name]
  if (text === undefined) return undefined
  const id = encoder.idOf(text)
  if (id !== undefined) return id
  throw new InvalidTokenizer(
    `tokenizer_config.json has ${name} ${JSON.stringify(text)}, which tokenizer.json lacks; take both files from one model`,
  )
}

/** Ids that may end a turn: every added token marked special, and the EOS. */
export function findSpecialIds(encoder: Encoder, eosId: number | undefined): ReadonlySet<number> {
  const ids = new Set<number>()
  for (const token of encoder.addedTokens) if (token.isSpecial) ids.add(token.id)
  if (eosId !== undefined) ids.add(eosId)
  return ids
}

/** The ids that the post-processor puts before a text; `add_bos_token` has the last word. */
export function findPrefix(encoder: Encoder, addBosToken: unknown, bosId: number | undefined): readonly number[] {
  const prefix = encoder.surroundings.before
  if (bosId === undefined || typeof addBosToken !== "boolean") return prefix
  const withoutBos = prefix.filter((id) => id !== bosId)
  return addBosToken ? [bosId, ...withoutBos] : withoutBos
}

/**
 * `eos_token_id` of generation_config.json: one id or several; none where the file or the key is absent, or where it is −1, which no
 * token is. Throws InvalidTokenizer.
 */
export function findGenerationEnds(generationConfig: string | undefined): readonly number[] {
  if (generationConfig === undefined) return []
  const found = parseObject(generationConfig, "generation_config.json").eos_token_id ?? []
  const ids: readonly unknown[] = Array.isArray(found) ? found : [found]
  const isId = (id: unknown): id is number => Number.isSafeInteger(id) && (id as number) >= -1
  if (ids.every(isId)) return ids.filter((id) => id !== -1)
  throw new InvalidTokenizer("eos_token_id of generation_config.json must be an id or a list of ids; correct it")
}
