// A Hugging Face config.json as one description of a decoder, whatever its family. Options that change the arithmetic and are not
// implemented are refused by name.

import { readJsonObject } from "../json-object.ts"
import type { Fields } from "./config-fields.ts"
import { type DecoderConfig, InvalidModel } from "./decoder-config.ts"
import type { DecoderFamily } from "./family.ts"
import { gemma2 } from "./gemma2.ts"
import { gemma3 } from "./gemma3.ts"
import { llama } from "./llama.ts"
import { mistral } from "./mistral.ts"
import { qwen2 } from "./qwen2.ts"
import { qwen3 } from "./qwen3.ts"

export const FAMILIES: readonly DecoderFamily[] = [llama, mistral, qwen2, qwen3, gemma2, gemma3]

/**
 * Parses config.json (text or parsed value), as transformers 4 or 5 writes it. Defaults are those of the family's configuration
 * class in transformers. Throws InvalidModel.
 */
export function parseDecoderConfig(configJson: unknown): DecoderConfig {
  const fields = configFields(configJson)
  const config = familyOf(fields).parse(fields)
  const { headCount, keyValueHeadCount, headSize } = config
  if (headCount % keyValueHeadCount !== 0) {
    throw new InvalidModel(
      `config.json: num_attention_heads ${headCount} is no multiple of num_key_value_heads ${keyValueHeadCount}; correct one of them`,
    )
  }
  if (headSize % 2 !== 0) {
    throw new InvalidModel(`config.json: head_dim ${headSize} is odd; rotary positions need an even head size`)
  }
  for (const id of [config.bosTokenId ?? 0, ...config.eosTokenIds]) {
    if (id >= config.vocabularySize) {
      throw new InvalidModel(`config.json: token id ${id} is outside vocab_size ${config.vocabularySize}; correct it`)
    }
  }
  return config
}

const NOT_JSON = "config.json is not JSON; fetch the model folder again"
const NOT_OBJECT = "config.json is not a JSON object; give the config.json of a Hugging Face model folder"
const JSON_FAULTS = {
  notUtf8: NOT_JSON,
  notJson: NOT_JSON,
  notObject: NOT_OBJECT,
  repeatedKey: (key: string) => `config.json holds "${key}" twice; remove one`,
}

/** The fields of a config.json, as text or parsed. Throws InvalidModel. */
export function configFields(configJson: unknown): Fields {
  const refused = (message: string) => new InvalidModel(message)
  if (typeof configJson === "string") return readJsonObject(configJson, JSON_FAULTS, refused)
  if (typeof configJson === "object" && configJson !== null && !Array.isArray(configJson)) return configJson as Fields
  throw refused(NOT_OBJECT)
}

const SUPPORTED = FAMILIES.map(({ architecture }) => architecture).join(", ")

function familyOf(fields: Fields): DecoderFamily {
  const architectures = fields.architectures ?? undefined
  const modelType = fields.model_type ?? undefined
  const names = architectures ?? modelType
  if (modelType === "gemma3" || (Array.isArray(names) && names.includes("Gemma3ForConditionalGeneration"))) {
    throw new InvalidModel(
      "config.json: Gemma3ForConditionalGeneration (text and images) is not supported; save its text part as Gemma3ForCausalLM " +
        "(transformers: Gemma3ForCausalLM.from_pretrained, then save_pretrained), or use a text model such as gemma-3-1b-it",
    )
  }
  const family = FAMILIES.find(({ architecture, modelType: type }) =>
    architectures === undefined
      ? modelType === type
      : Array.isArray(architectures) && architectures.length === 1 && architectures[0] === architecture,
  )
  if (!family) {
    const found = JSON.stringify(names ?? null)
    throw new InvalidModel(`config.json: architecture ${found} is not supported; use one of ${SUPPORTED}`)
  }
  if (modelType !== undefined && modelType !== family.modelType) {
    throw new InvalidModel(
      `config.json: model_type ${JSON.stringify(modelType)} does not belong to ${family.architecture}; it must be "${family.modelType}"`,
    )
  }
  return family
}
