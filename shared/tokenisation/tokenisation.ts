// From text or chat messages to scored token ids: the same module on the edge and on the runner.
// Boundaries come from lengths; a pair that cannot be tokenised exactly is dropped with a reason, never repaired.
import { Tokenizer } from "@huggingface/tokenizers"
import {
  ChatTemplate,
  ChatTemplateRefused,
  findChatTemplate,
  findSpecialTokens,
  type Message,
} from "./chat-template.ts"
import {
  findPrefix,
  findSpecialIds,
  InvalidTokenizer,
  parseObject,
  specialTokenId,
  tokenizerSize,
} from "./tokenizer-files.ts"

export { ChatTemplateRefused, type Message } from "./chat-template.ts"
export { InvalidTokenizer } from "./tokenizer-files.ts"

/** All three plain text (no template), or all three lists of messages (through the chat template). */
export type PairText =
  | { readonly prompt: string; readonly chosen: string; readonly rejected: string }
  | {
      readonly prompt: readonly Message[]
      readonly chosen: readonly Message[]
      readonly rejected: readonly Message[]
    }

export interface TokenisationPolicy {
  /** budget for prompt + response, the same for both responses, in tokens */
  readonly maxLength: number
  /** default "drop" */
  readonly overflow?: "drop" | "truncate" | "error" | undefined
  /** score the generation header with the response, as the paper's authors do; default false: it belongs to the prompt */
  readonly responseIncludesHeader?: boolean | undefined
}

export type DropReason = "empty" | "identical" | "over-length" | "boundary-mismatch"

export type TokenisedPair =
  | {
      readonly _tag: "Tokenised"
      readonly promptIds: Uint32Array
      readonly chosenIds: Uint32Array
      readonly rejectedIds: Uint32Array
      /** true when a response lost tokens to the budget (it then has no end of turn) */
      readonly truncated: boolean
    }
  | { readonly _tag: "Dropped"; readonly reason: DropReason }

/** Overflow policy "error": the pair does not fit the budget. */
export class PairOverLength extends Error {
  readonly _tag = "PairOverLength"
}

export interface TokenisationFiles {
  /** text or parsed value of tokenizer.json */
  readonly tokenizerJson: unknown
  /** text or parsed value of tokenizer_config.json */
  readonly tokenizerConfigJson: unknown
  /** text of chat_template.jinja; default: `chat_template` of tokenizer_config.json */
  readonly chatTemplate?: string | undefined
  /** the model's vocabulary; every id must lie in [0, vocabularySize). Default: the tokenizer's own size */
  readonly vocabularySize?: number | undefined
}

interface Segments {
  readonly prompt: number[]
  readonly chosen: number[]
  readonly rejected: number[]
}

const dropped = (reason: DropReason): TokenisedPair => ({ _tag: "Dropped", reason })

/** A tokenizer and its chat template, ready to tokenise pairs. Build one per model and isolate: parsing is costly. */
export class Tokenisation {
  /** Size against which ids are checked. */
  readonly vocabularySize: number
  /** Text of the chat template, or undefined where there is none; its sha256 is part of the reference fingerprint. */
  readonly chatTemplate: string | undefined
  private readonly tokenizer: Tokenizer
  private readonly template: ChatTemplate | undefined
  private readonly bosId: number | undefined
  private readonly eosId: number | undefined
  /** what the tokenizer puts before a text: usually the BOS alone, or nothing */
  private readonly prefixIds: readonly number[]
  private readonly specialIds: ReadonlySet<number>

  private constructor(tokenizer: Tokenizer, config: Record<string, unknown>, files: TokenisationFiles) {
    const specialTokens = findSpecialTokens(config)
    this.tokenizer = tokenizer
    this.chatTemplate = files.chatTemplate ?? findChatTemplate(config)
    this.template = this.chatTemplate === undefined ? undefined : new ChatTemplate(this.chatTemplate, specialTokens)
    this.vocabularySize = files.vocabularySize ?? tokenizerSize(tokenizer)
    this.bosId = specialTokenId(tokenizer, specialTokens, "bos_token")
    this.eosId = specialTokenId(tokenizer, specialTokens, "eos_token")
    this.specialIds = findSpecialIds(tokenizer, this.eosId)
    this.prefixIds = findPrefix(tokenizer, config.add_bos_token, this.bosId)
  }

  /** Throws InvalidTokenizer, or ChatTemplateRefused when the template cannot be parsed. */
  static fromFiles(files: TokenisationFiles): Tokenisation {
    const tokenizerFields = parseObject(files.tokenizerJson, "tokenizer.json")
    const config = parseObject(files.tokenizerConfigJson, "tokenizer_config.json")
    try {
      return new Tokenisation(new Tokenizer(tokenizerFields, config), config, files)
    } catch (error) {
      if (error instanceof InvalidTokenizer || error instanceof ChatTemplateRefused) throw error
      throw new InvalidTokenizer(
        `tokenizer.json cannot be used: ${(error as Error).message}; give the file of a fast Hugging Face tokenizer`,
      )
    }
  }

  /** Token ids of a pair, or why it was dropped. Throws PairOverLength (policy "error"), ChatTemplateRefused or InvalidTokenizer. */
  tokenisePair(pair: PairText, policy: TokenisationPolicy): TokenisedPair {
    if (isEmptyText(pair.chosen) || isEmptyText(pair.rejected)) return dropped("empty")
    const segments =
      typeof pair.prompt === "string" ? this.plain(pair as PlainText) : this.chat(pair as ChatText, policy)
    if (segments === undefined) return dropped("boundary-mismatch")
    const { prompt, chosen, rejected } = segments
    if (prompt.length === 0 || chosen.length === 0 || rejected.length === 0) return dropped("empty")
    if (isSameList(chosen, rejected)) return dropped("identical")
    return fitBudget(segments, policy)
  }

  /** Text of token ids; special tokens are kept unless asked otherwise. Throws InvalidTokenizer on ids outside the vocabulary. */
  decode(ids: ArrayLike<number>, options: { readonly skipSpecialTokens?: boolean } = {}): string {
    // The library refuses an empty list, and by default tidies spaces, which would change the text.
    if (ids.length === 0) return ""
    return this.tokenizer.decode(this.checked(Array.from(ids)), {
      skip_special_tokens: options.skipSpecialTokens ?? false,
      clean_up_tokenization_spaces: false,
    })
  }

  /** Token ids of a text as it stands: no BOS, no EOS. Throws InvalidTokenizer. */
  encode(text: string): number[] {
    return this.checked(this.tokenizer.encode(text, { add_special_tokens: false }).ids)
  }

  private plain({ prompt, chosen, rejected }: PlainText): Segments {
    if (this.eosId === undefined) {
      throw new InvalidTokenizer(
        "tokenizer_config.json names no eos_token of the tokenizer; add it, or use chat messages",
      )
    }
    const promptIds = this.encode(prompt)
    const hasBos = this.bosId !== undefined && promptIds[0] === this.bosId
    return {
      prompt: hasBos ? promptIds : [...this.prefixIds, ...promptIds],
      chosen: endedBy(this.eosId, this.encode(chosen)),
      rejected: endedBy(this.eosId, this.encode(rejected)),
    }
  }

  /** undefined when the prompt's ids are no prefix of a whole conversation's ids. */
  private chat(pair: ChatText, policy: TokenisationPolicy): Segments | undefined {
    const template = this.template
    if (template === undefined) {
      throw new InvalidTokenizer(
        "the model has no chat template; add chat_template to tokenizer_config.json, or use plain text",
      )
    }
    const ids = (messages: readonly Message[], addGenerationHeader: boolean) =>
      this.withSingleBos(this.encode(template.render(messages, addGenerationHeader)))
    const prompt = ids(pair.prompt, policy.responseIncludesHeader !== true)
    const responses: number[][] = []
    for (const response of [pair.chosen, pair.rejected]) {
      const whole = ids([...pair.prompt, ...response], false)
      if (prompt.some((id, index) => whole[index] !== id)) return undefined
      responses.push(this.closedTurn(whole.slice(prompt.length)))
    }
    return { prompt, chosen: responses[0]!, rejected: responses[1]! }
  }

  /** A templated response with its end: what the template has closed stays as it is, else EOS is added. */
  private closedTurn(ids: number[]): number[] {
    const last = ids.findLast((id) => this.specialIds.has(id) || this.decode([id]).trim() !== "")
    const isClosed = last !== undefined && this.specialIds.has(last)
    return isClosed || this.eosId === undefined ? ids : [...ids, this.eosId]
  }

  /** Templates write the BOS themselves, and a text may repeat it. */
  private withSingleBos(ids: number[]): number[] {
    const repeats = ids.findIndex((id) => id !== this.bosId) - 1
    return repeats > 0 ? ids.slice(repeats) : ids
  }

  private checked(ids: number[]): number[] {
    const bad = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < this.vocabularySize))
    if (bad === undefined && !ids.includes(undefined as never)) return ids
    throw new InvalidTokenizer(
      `token id ${bad} is outside the vocabulary of ${this.vocabularySize}; tokenizer and model must belong together`,
    )
  }
}

type PlainText = Extract<PairText, { prompt: string }>
type ChatText = Exclude<PairText, { prompt: string }>

function isEmptyText(response: string | readonly Message[]): boolean {
  return typeof response === "string" ? response.trim() === "" : response.every(({ content }) => content.trim() === "")
}

function endedBy(eosId: number, ids: number[]): number[] {
  return ids.at(-1) === eosId ? ids : [...ids, eosId]
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}

/** One budget for both responses. Only responses are cut, at their end; a prompt that leaves no room drops the pair. */
function fitBudget({ prompt, chosen, rejected }: Segments, policy: TokenisationPolicy): TokenisedPair {
  const longest = prompt.length + Math.max(chosen.length, rejected.length)
  const truncated = longest > policy.maxLength
  const room = policy.maxLength - prompt.length
  if (truncated && policy.overflow === "error") {
    throw new PairOverLength(
      `the pair needs ${longest} tokens, over maxLength ${policy.maxLength}; raise maxLength, or set overflow to drop or truncate`,
    )
  }
  if (truncated && (policy.overflow !== "truncate" || room < 1)) return dropped("over-length")
  const [keptChosen, keptRejected] = truncated ? [chosen.slice(0, room), rejected.slice(0, room)] : [chosen, rejected]
  if (truncated && isSameList(keptChosen, keptRejected)) return dropped("identical")
  return {
    _tag: "Tokenised",
    promptIds: Uint32Array.from(prompt),
    chosenIds: Uint32Array.from(keptChosen),
    rejectedIds: Uint32Array.from(keptRejected),
    truncated,
  }
}

/** Bytes whose sha256 names a response's log-probs in the cache: u32-LE of [prompt ids, response ids], then u32-LE of the response start. */
export function responseDigestInput(
  promptIds: ArrayLike<number>,
  responseIds: ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * (promptIds.length + responseIds.length + 1))
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < promptIds.length; index++) view.setUint32(4 * index, promptIds[index]!, true)
  const start = promptIds.length
  for (let index = 0; index < responseIds.length; index++) {
    view.setUint32(4 * (start + index), responseIds[index]!, true)
  }
  view.setUint32(4 * (start + responseIds.length), start, true)
  return bytes
}
