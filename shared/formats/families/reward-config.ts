// A reward model's config.json: a decoder of a family that runs here, with one number in place of a vocabulary at its end. Source: transformers,
// modeling_layers.py (GenericForSequenceClassification) and its uses in modeling_llama.py, modeling_qwen3.py and the others.
import { type Fields, tokenIds } from "./config-fields.ts"
import { type DecoderConfig, InvalidModel } from "./decoder-config.ts"
import { configFields, FAMILIES, parseDecoderConfig } from "./parse-decoder-config.ts"

export interface RewardConfig {
  /** Its head is taken as tied: a reward model has none, and none is computed. */
  readonly decoder: DecoderConfig
  /** Tokens that are passed over at the end of a conversation. */
  readonly padTokenId: number | undefined
}

/** The weight of the number: [1, hidden size], without a bias. */
export const SCORE_WEIGHT = "score.weight"

const CLASSIFIER = "ForSequenceClassification"

/** transformers names the head of Gemma 3's text model apart, since that of the model with images has its name. */
const classifierOf = (architecture: string) =>
  architecture === "Gemma3ForCausalLM" ? `Gemma3Text${CLASSIFIER}` : architecture.replace("ForCausalLM", CLASSIFIER)

const ARCHITECTURES = new Map(FAMILIES.map(({ architecture }) => [classifierOf(architecture), architecture]))

/** Undefined where config.json is of no model with such a head. Throws InvalidModel. */
export function parseRewardConfig(configJson: string): RewardConfig | undefined {
  const fields = configFields(configJson)
  const [architecture] = Array.isArray(fields.architectures) ? fields.architectures : []
  if (typeof architecture !== "string" || !architecture.endsWith(CLASSIFIER)) return undefined
  const causal = ARCHITECTURES.get(architecture)
  if (causal === undefined) {
    const supported = [...ARCHITECTURES.keys()].join(", ")
    throw new InvalidModel(`config.json: reward model ${architecture} is not supported; use one of ${supported}`)
  }
  refuseLabels(fields)
  if (fields.pad_token_id === -1)
    throw new InvalidModel(
      "config.json: pad_token_id is -1, which is no token; name the one that fills up, or leave it away",
    )
  const [padTokenId] = tokenIds(fields, "pad_token_id", null)
  const asGenerator = { ...fields, architectures: [causal], tie_word_embeddings: true }
  return { decoder: parseDecoderConfig(asGenerator), padTokenId }
}

/** transformers writes the labels' names where they are not two. */
function refuseLabels({ id2label, num_labels: stated }: Fields): void {
  const named = typeof id2label === "object" && id2label !== null ? Object.keys(id2label).length : undefined
  const labels = typeof stated === "number" ? stated : named
  if (labels !== undefined) refuseSeveral(labels, "config.json")
}

/** Throws InvalidModel. */
export function refuseSeveral(labels: number, where: string): void {
  if (labels === 1) return
  throw new InvalidModel(`${where} has ${labels} labels, and a reward is one number; use a reward model with one label`)
}
