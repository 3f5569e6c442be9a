// Which of llama.cpp's pre-tokenizers cuts a text as the one of tokenizer.json does. They are told by name, and each name has its
// expressions in llama.cpp's source: src/llama-vocab.cpp (llm_tokenizer_bpe, and llama_vocab::impl::load for what else a name sets).
import { InvalidGguf } from "#shared/formats/gguf/container.ts"
import { type Part, partOf, partsOf } from "../encoder/field.ts"

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const REST = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const WORDS = "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const UPPER = "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
const LOWER = "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
const BEFORE = "[^\\r\\n\\p{L}\\p{N}]?"
const CASED_REST = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const cased = (ending: string) => `${BEFORE}[${UPPER}]*[${LOWER}]+${ending}|${BEFORE}[${UPPER}]+[${LOWER}]*${ending}`

interface Known {
  /** Expressions that cut one after the other; a piece that one found is not cut out again by a later one. */
  readonly cuts: readonly string[]
  /** Names by whether a piece that is a token as a whole is that token (`ignore_merges`). */
  readonly name?: string
  readonly ignoringMerges?: string
  readonly difference?: string
}

const CASED_DIFFERENCE =
  "words with combining marks, or with capitals beyond A to Z inside, are cut otherwise by llama.cpp than by this tokenizer"

const KNOWN: readonly Known[] = [
  { cuts: [GPT2], name: "gpt-2" },
  { cuts: ["\\p{N}", GPT2], name: "smollm" },
  {
    cuts: [`${CONTRACTIONS}${WORDS}|\\p{N}{1,3}${REST}`],
    name: "smaug-bpe",
    ignoringMerges: "llama-bpe",
  },
  { cuts: [`${CONTRACTIONS}${WORDS}|\\p{N}${REST}`], name: "qwen2" },
  {
    cuts: [
      `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
    ],
    name: "qwen35",
  },
  { cuts: [`${cased("")}|\\p{N}${CASED_REST}`], ignoringMerges: "tekken", difference: CASED_DIFFERENCE },
  { cuts: [`${cased(`${CONTRACTIONS}?`)}|\\p{N}{1,3}${CASED_REST}`], name: "gpt-4o", difference: CASED_DIFFERENCE },
]

/** Names that may be asked for where none fits. */
export const NEAR_NAMES: readonly string[] = KNOWN.flatMap(({ name }) => name ?? [])

/**
 * Of a byte-level tokenizer, its name in llama.cpp. `near` is taken where llama.cpp has none that fits, which is told. Throws InvalidGguf
 * where there is none and none was asked for, or one was asked for and another fits.
 */
export function preTokeniserName(
  preTokenizer: unknown,
  ignoresMerges: boolean,
  near?: string,
): { readonly name: string; readonly difference: string | undefined } {
  const cuts = cutsOf(flat(partOf(preTokenizer, "pre_tokenizer")))
  const known = KNOWN.find((each) => each.cuts.join("\n") === cuts?.join("\n"))
  const name = ignoresMerges ? known?.ignoringMerges : known?.name
  if (name !== undefined) {
    if (near === undefined || near === name) return { name, difference: known?.difference }
    throw new InvalidGguf(`llama.cpp cuts texts as this tokenizer does by the name ${name}; leave --pre out`)
  }
  const shown =
    cuts === undefined ? JSON.stringify(preTokenizer) : cuts.map((cut) => JSON.stringify(cut)).join(", then ")
  const own = `${shown}${ignoresMerges ? " with ignore_merges" : ""}`
  if (near !== undefined) {
    return {
      name: near,
      difference: `texts are cut as ${near}, which was asked for, and not as this tokenizer does, by ${own}`,
    }
  }
  throw new InvalidGguf(
    `llama.cpp has no pre-tokenizer known here that cuts a text by ${own}; export it as merged for another runtime, or take one that is near by --pre (${NEAR_NAMES.join(", ")}): some texts get other tokens then`,
  )
}

export function flat(part: Part | undefined): Part[] {
  if (part === undefined) return []
  return part.type === "Sequence" ? partsOf(part.pretokenizers, "pretokenizers").flatMap(flat) : [part]
}

/** The expressions by which the parts cut, the byte level last; undefined where a part does something else. */
function cutsOf(parts: readonly Part[]): string[] | undefined {
  const last = parts.at(-1)
  if (last?.type !== "ByteLevel" || last.add_prefix_space === true) return undefined
  const cuts = parts.slice(0, -1).map(cutOf)
  if (cuts.some((cut) => cut === undefined)) return undefined
  return [...(cuts as string[]), ...(last.use_regex === false ? [] : [GPT2])]
}

function cutOf({ type, pattern, behavior, invert, individual_digits: individually }: Part): string | undefined {
  if (type === "Digits") return individually === true ? "\\p{N}" : undefined
  const expression = (pattern as Part | undefined)?.Regex
  if (type !== "Split" || typeof expression !== "string") return undefined
  // All expressions above find every character, so what is not found is nothing, and may be removed.
  const isKept = behavior === "Isolated" || (behavior === "Removed" && invert === true)
  return isKept ? expression : undefined
}
