// The tokenizer of a model folder: tokenizer.json, tokenizer_config.json, special_tokens_map.json, the chat template in any
// of its places, and generation_config.json, whose eos ids end a turn too.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import path from "node:path"
import { InvalidTokenizer, Tokenisation, type TokenisationFiles } from "#shared/tokenisation/tokenisation.ts"
import { ModelFileMissing } from "../errors.ts"
import { sha256 } from "../files.ts"

const MEND = "give a Hugging Face model folder with config.json, safetensors, tokenizer.json and tokenizer_config.json"
const TEMPLATE_FOLDER = "additional_chat_templates"
const TEMPLATE_SUFFIX = ".jinja"

export interface TokenizerFolder {
  readonly tokenisation: Tokenisation
  /** SHA-256 of tokenizer.json. */
  readonly tokenizerDigest: string
}

/** Files beside tokenizer.json that belong to it, where they exist; paths relative to the model folder. */
export const TOKENIZER_COMPANIONS: readonly string[] = [
  ...["tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json", TEMPLATE_FOLDER],
]

/** Reads a tokenizer. Errors: ModelFileMissing, InvalidTokenizer, ChatTemplateRefused. */
export function readTokenizerFolder(directory: string, vocabularySize: number): TokenizerFolder {
  const files = readTokenizerFiles(directory, vocabularySize)
  return { tokenisation: Tokenisation.fromFiles(files), tokenizerDigest: sha256(files.tokenizerJson) }
}

/** The files as they stand. Errors: ModelFileMissing, InvalidTokenizer where one is not UTF-8. */
export function readTokenizerFiles(directory: string, vocabularySize: number) {
  return {
    tokenizerJson: requiredBytes(directory, "tokenizer.json"),
    tokenizerConfigJson: requiredText(directory, "tokenizer_config.json"),
    specialTokensMapJson: optionalText(directory, "special_tokens_map.json"),
    chatTemplate: optionalText(directory, "chat_template.jinja"),
    chatTemplateJson: optionalText(directory, "chat_template.json"),
    additionalChatTemplates: additionalTemplates(directory),
    generationConfigJson: optionalText(directory, "generation_config.json"),
    vocabularySize,
  } satisfies TokenisationFiles
}

function additionalTemplates(directory: string): Readonly<Record<string, string>> {
  const folder = path.join(directory, TEMPLATE_FOLDER)
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return {}
  const names = readdirSync(folder).filter((name) => name.endsWith(TEMPLATE_SUFFIX))
  return Object.fromEntries(
    names.sort().map((name) => [name.slice(0, -TEMPLATE_SUFFIX.length), requiredText(folder, name)]),
  )
}

function optionalText(directory: string, name: string): string | undefined {
  return existsSync(path.join(directory, name)) ? requiredText(directory, name) : undefined
}

function requiredBytes(directory: string, name: string): Uint8Array {
  const file = path.join(directory, name)
  if (!existsSync(file)) throw new ModelFileMissing(file, MEND)
  return readFileSync(file)
}

function requiredText(directory: string, name: string): string {
  const bytes = requiredBytes(directory, name)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw new InvalidTokenizer(`${path.join(directory, name)} is not UTF-8; fetch the model folder again`)
  }
}
