// What a tokenizer's two files say about its special tokens, size and the ids it puts before a text.
import type { Tokenizer } from "@huggingface/tokenizers"
import type { SpecialTokens } from "./chat-template.ts"

/** The tokenizer's files cannot be used, or an id lies outside the model's vocabulary. */
export class InvalidTokenizer extends Error {
  readonly _tag = "InvalidTokenizer"
}

/** A JSON object, given as text or parsed. Throws InvalidTokenizer naming the file. */
export function parseObject(value: unknown, file: string): Record<string, unknown> {
  let parsed = value
  if (typeof value === "string") {
    try {
      parsed = JSON.parse(value)
    } catch {
      throw new InvalidTokenizer(`${file} is not JSON; fetch the model folder again`)
    }
  }
  if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>
  throw new InvalidTokenizer(`${file} is not a JSON object; fetch the model folder again`)
}

/** One more than the largest id, since ids may have gaps. */
export function tokenizerSize(tokenizer: Tokenizer): number {
  const ids: Iterable<number> = tokenizer.get_vocab().values()
  let size = 0
  for (const id of ids) size = Math.max(size, id + 1)
  return size
}

/** Id of bos_token or eos_token; undefined where the config names none. Throws InvalidTokenizer when the tokenizer lacks it. */
export function specialTokenId(tokenizer: Tokenizer, tokens: SpecialTokens, name: string): number | undefined {
  const text = tokens[name]
  if (text === undefined) return undefined
  const id = tokenizer.token_to_id(text)
  if (id !== undefined) return id
  throw new InvalidTokenizer(
    `tokenizer_config.json has ${name} ${JSON.stringify(text)}, which tokenizer.json lacks; take both files from one model`,
  )
}

/** Ids that may end a turn: every added token marked special, and the EOS. */
export function findSpecialIds(tokenizer: Tokenizer, eosId: number | undefined): ReadonlySet<number> {
  const added: Iterable<{ readonly id: number; readonly special: boolean }> = tokenizer
    .get_added_tokens_decoder()
    .values()
  const ids = new Set([...added].filter((token) => token.special).map((token) => token.id))
  if (eosId !== undefined) ids.add(eosId)
  return ids
}

/** The ids that the post-processor puts before a text, by comparing a text with and without it; `add_bos_token` has the last word. */
export function findPrefix(tokenizer: Tokenizer, addBosToken: unknown, bosId: number | undefined): readonly number[] {
  const bare: number[] = tokenizer.encode("a", { add_special_tokens: false }).ids
  const whole: number[] = tokenizer.encode("a", { add_special_tokens: true }).ids
  const start = whole.findIndex((_, offset) => bare.every((id, index) => whole[offset + index] === id))
  const prefix = start > 0 ? whole.slice(0, start) : []
  if (bosId === undefined || typeof addBosToken !== "boolean") return prefix
  const withoutBos = prefix.filter((id) => id !== bosId)
  return addBosToken ? [bosId, ...withoutBos] : withoutBos
}

/** `eos_token_id` of generation_config.json: one id or several; none where the file or the key is absent. Throws InvalidTokenizer. */
export function findGenerationEnds(generationConfig: string | undefined): readonly number[] {
  if (generationConfig === undefined) return []
  const found = parseObject(generationConfig, "generation_config.json").eos_token_id ?? []
  const ids: readonly unknown[] = Array.isArray(found) ? found : [found]
  const isId = (id: unknown): id is number => Number.isSafeInteger(id) && (id as number) >= 0
  if (ids.every(isId)) return ids
  throw new InvalidTokenizer("eos_token_id of generation_config.json must be an id or a list of ids; correct it")
}
