// From text or chat messages to scored token ids: the same module on the edge and on the runner.
// Boundaries come from lengths; a row that cannot be tokenised exactly is dropped with a reason, never repaired. Over 300 lines: one object, whose parts share one template and one tokenizer.
import { ChatTemplate, findSpecialTokens, type Message } from "./chat-template.ts"
import { type ChatTemplateFiles, findChatTemplates } from "./chat-template-files.ts"
import { Encoder } from "./encoder/encoder.ts"
import { InvalidTokenizer } from "./invalid-tokenizer.ts"
import { describeMerge, describeTemplate, findParting } from "./response-boundary.ts"
import { fitBudget, type TokenisationPolicy } from "./token-budget.ts"
import {
  findGenerationEnds,
  findPrefix,
  findSpecialIds,
  parseObject,
  specialTokenId,
  withAddedTokens,
  withSpecialTokensMap,
} from "./tokenizer-files.ts"
import { readTokenizer } from "./tokenizer-reader.ts"

export { type ChatTemplateOptions, ChatTemplateRefused, type Message } from "./chat-template.ts"
export { InvalidTokenizer } from "./invalid-tokenizer.ts"
export { responseDigestInput } from "./response-digest.ts"
export { PairOverLength, type TokenisationPolicy } from "./token-budget.ts"

/** All three plain text (no template), or all three lists of messages (through the chat template). */
export type PairText =
  | { readonly prompt: string; readonly chosen: string; readonly rejected: string }
  | {
      readonly prompt: readonly Message[]
      readonly chosen: readonly Message[]
      readonly rejected: readonly Message[]
      readonly tools?: readonly unknown[] | undefined
    }

/** A prompt and one response: a supervised row, or one that was judged by itself. */
export type ResponseText =
  | { readonly prompt: string; readonly response: string }
  | {
      readonly prompt: readonly Message[]
      readonly response: readonly Message[]
      readonly tools?: readonly unknown[] | undefined
    }

export type DropReason = "empty" | "identical" | "over-length" | "boundary-mismatch"

export interface DroppedText {
  readonly _tag: "Dropped"
  readonly reason: DropReason
  /** says more, and the mend, where there is one */
  readonly detail?: string | undefined
}

export type TokenisedPair =
  | {
      readonly _tag: "Tokenised"
      readonly promptIds: Uint32Array
      readonly chosenIds: Uint32Array
      readonly rejectedIds: Uint32Array
      /** true when a response lost tokens to the budget (it then has no end of turn) */
      readonly truncated: boolean
    }
  | DroppedText

export type TokenisedResponse =
  | {
      readonly _tag: "Tokenised"
      readonly promptIds: Uint32Array
      readonly responseIds: Uint32Array
      readonly truncated: boolean
    }
  | DroppedText

export interface TokenisationFiles extends Omit<ChatTemplateFiles, "tokenizerConfig"> {
  /** bytes, text or parsed value of tokenizer.json, or what a TokenizerReader made of it */
  readonly tokenizerJson: unknown
  /** text or parsed value of tokenizer_config.json */
  readonly tokenizerConfigJson: unknown
  /** text of special_tokens_map.json */
  readonly specialTokensMapJson?: string | undefined
  /** text of generation_config.json; its eos ids end a turn too */
  readonly generationConfigJson?: string | undefined
  /** the model's vocabulary; every id must lie in [0, vocabularySize). Default: the tokenizer's own size */
  readonly vocabularySize?: number | undefined
}

interface Segments {
  readonly prompt: number[]
  readonly responses: readonly number[][]
}

const dropped = (reason: DropReason, detail?: string): DroppedText => ({ _tag: "Dropped", reason, detail })

/** A tokenizer and its chat template, ready to tokenise. Build one per model and isolate: parsing is costly. */
export class Tokenisation {
  /** Size against which ids are checked. */
  readonly vocabularySize: number
  /** Text of the chat template, or undefined where there is none; its sha256 is part of the reference fingerprint. */
  readonly chatTemplate: string | undefined
  private readonly encoder: Encoder
  private readonly template: ChatTemplate | undefined
  private readonly toolTemplate: ChatTemplate | undefined
  private readonly bosId: number | undefined
  private readonly eosId: number | undefined
  /** what the tokenizer puts before a text: usually the BOS alone, or nothing */
  private readonly prefixIds: readonly number[]
  /** the EOS and what else ends generation */
  private readonly endIds: ReadonlySet<number>
  private readonly specialIds: ReadonlySet<number>

  private constructor(encoder: Encoder, config: Record<string, unknown>, files: TokenisationFiles) {
    const specialTokens = findSpecialTokens(config)
    const { main, toolUse } = findChatTemplates({ ...files, tokenizerConfig: config })
    const parsed = (text: string | undefined) =>
      text === undefined ? undefined : new ChatTemplate(text, specialTokens)
    this.encoder = encoder
    this.chatTemplate = main
    this.template = parsed(main)
    this.toolTemplate = parsed(toolUse)
    this.vocabularySize = files.vocabularySize ?? encoder.size
    this.bosId = specialTokenId(encoder, specialTokens, "bos_token")
    const ends = this.checked([...findGenerationEnds(files.generationConfigJson)])
    this.eosId = specialTokenId(encoder, specialTokens, "eos_token") ?? ends[0]
    this.endIds = new Set(this.eosId === undefined ? ends : [this.eosId, ...ends])
    this.specialIds = new Set([...findSpecialIds(encoder, this.eosId), ...ends])
    this.prefixIds = findPrefix(encoder, config.add_bos_token, this.bosId)
  }

  /** Throws InvalidTokenizer, or ChatTemplateRefused when the template cannot be parsed. */
  static fromFiles(files: TokenisationFiles): Tokenisation {
    const tokenizerFields = readTokenizer(files.tokenizerJson)
    const config = withSpecialTokensMap(
      parseObject(files.tokenizerConfigJson, "tokenizer_config.json"),
      files.specialTokensMapJson,
    )
    return new Tokenisation(new Encoder(withAddedTokens(tokenizerFields, config)), config, files)
  }

  /** Token ids of a pair, or why it was dropped. Throws PairOverLength (policy "error"), ChatTemplateRefused or InvalidTokenizer. */
  tokenisePair(pair: PairText, policy: TokenisationPolicy): TokenisedPair {
    const segments =
      typeof pair.prompt === "string"
        ? this.segments(pair.prompt, [pair.chosen, pair.rejected] as string[], policy)
        : this.segments(pair.prompt, [pair.chosen, pair.rejected] as Message[][], policy, (pair as ChatPair).tools)
    if ("_tag" in segments) return segments
    const isIdentical = ([chosen, rejected]: readonly (readonly number[])[]) => isSameList(chosen!, rejected!)
    if (isIdentical(segments.responses)) return dropped("identical")
    const fitted = fitBudget(segments.prompt, segments.responses, policy)
    if (fitted === undefined) return dropped("over-length")
    if (fitted.truncated && isIdentical(fitted.responses)) return dropped("identical", "after truncation")
    const [chosenIds, rejectedIds] = fitted.responses.map((ids) => Uint32Array.from(ids))
    const promptIds = Uint32Array.from(segments.prompt)
    return {
      _tag: "Tokenised",
      promptIds,
      chosenIds: chosenIds!,
      rejectedIds: rejectedIds!,
      truncated: fitted.truncated,
    }
  }

  /** As tokenisePair, for one response. */
  tokeniseResponse(text: ResponseText, policy: TokenisationPolicy): TokenisedResponse {
    const segments =
      typeof text.prompt === "string"
        ? this.segments(text.prompt, [text.response] as string[], policy)
        : this.segments(text.prompt, [text.response] as Message[][], policy, (text as ChatPair).tools)
    if ("_tag" in segments) return segments
    const fitted = fitBudget(segments.prompt, segments.responses, policy)
    if (fitted === undefined) return dropped("over-length")
    const { truncated } = fitted
    const promptIds = Uint32Array.from(segments.prompt)
    return { _tag: "Tokenised", promptIds, responseIds: Uint32Array.from(fitted.responses[0]!), truncated }
  }

  /**
   * Token ids of a whole conversation, or of a text, as a classifier reads it: nothing is closed that the template leaves open, and what the tokenizer puts
   * before a text stands there, once. Errors: as tokenisePair.
   */
  tokeniseWhole(text: ResponseText, policy: Pick<TokenisationPolicy, "chatTemplateOptions"> = {}): Uint32Array {
    if (typeof text.prompt === "string")
      return Uint32Array.from(this.withPrefix(this.encode(`${text.prompt}${text.response}`)))
    const messages = [...text.prompt, ...(text.response as readonly Message[])]
    const ids = this.conversation(this.templateFor(undefined), messages, policy, { addGenerationHeader: false })
    return Uint32Array.from(this.withPrefix(ids))
  }

  /** Token ids after which a response begins: of a text as it stands, of messages with the header of the answer. Errors: as tokenisePair. */
  tokenisePrompt(
    prompt: string | readonly Message[],
    policy: Pick<TokenisationPolicy, "chatTemplateOptions"> = {},
  ): Uint32Array {
    const ids =
      typeof prompt === "string"
        ? this.withPrefix(this.encode(prompt))
        : this.conversation(this.templateFor(undefined), prompt, policy, { addGenerationHeader: true })
    return Uint32Array.from(ids)
  }

  /** The ids that end a response when a model says them: the EOS, and those of generation_config.json. */
  get endTokenIds(): ReadonlySet<number> {
    return this.endIds
  }

  /** Text of token ids; special tokens are kept unless asked otherwise. Throws InvalidTokenizer on ids outside the vocabulary. */
  decode(ids: ArrayLike<number>, options: { readonly skipSpecialTokens?: boolean } = {}): string {
    return this.encoder.decode(this.checked(Array.from(ids)), options.skipSpecialTokens ?? false)
  }

  /** Token ids of a text as it stands: no BOS, no EOS. Throws InvalidTokenizer. */
  encode(text: string): number[] {
    return this.checked(this.encoder.encode(text))
  }

  private segments(
    prompt: string | readonly Message[],
    responses: readonly string[] | readonly (readonly Message[])[],
    policy: TokenisationPolicy,
    tools?: readonly unknown[],
  ): Segments | DroppedText {
    if (responses.some(isEmptyText)) return dropped("empty")
    const segments =
      typeof prompt === "string"
        ? this.plain(prompt, responses as readonly string[])
        : this.chat(prompt, responses as readonly (readonly Message[])[], policy, tools)
    if ("_tag" in segments) return segments
    const isEmpty = segments.prompt.length === 0 || segments.responses.some(({ length }) => length === 0)
    return isEmpty ? dropped("empty") : segments
  }

  /** Each response's ids are those that follow the prompt's in the text of both; the prompt's own must begin it. */
  private plain(prompt: string, responses: readonly string[]): Segments | DroppedText {
    const { eosId } = this
    if (eosId === undefined) {
      throw new InvalidTokenizer(
        "neither tokenizer_config.json nor special_tokens_map.json names an eos_token of the tokenizer; add it, or use chat messages",
      )
    }
    const promptIds = this.encode(prompt)
    const scored: number[][] = []
    for (const response of responses) {
      const whole = this.encode(prompt + response)
      if (findParting(promptIds, whole) >= 0) {
        return dropped(
          "boundary-mismatch",
          describeMerge(promptIds, whole, (ids) => this.decode(ids)),
        )
      }
      const ids = whole.slice(promptIds.length)
      scored.push(ids.length === 0 || this.endIds.has(ids.at(-1)!) ? ids : [...ids, eosId])
    }
    return { prompt: this.withPrefix(promptIds), responses: scored }
  }

  /** A plain text's ids as the model reads them: with what the tokenizer puts before a text, unless it is there. */
  private withPrefix(ids: number[]): number[] {
    const hasBos = this.bosId !== undefined && ids[0] === this.bosId
    return hasBos ? ids : [...this.prefixIds, ...ids]
  }

  /** The whole conversation is templated for the prompt and for each response; the prompt's ids must begin all of them. */
  private chat(
    prompt: readonly Message[],
    responses: readonly (readonly Message[])[],
    policy: TokenisationPolicy,
    tools: readonly unknown[] | undefined,
  ): Segments | DroppedText {
    const template = this.templateFor(tools)
    const ids = (messages: readonly Message[], addGenerationHeader: boolean) =>
      this.conversation(template, messages, policy, { addGenerationHeader, tools })
    const promptIds = ids(prompt, policy.responseIncludesHeader !== true)
    const scored: number[][] = []
    for (const response of responses) {
      const whole = ids([...prompt, ...response], false)
      if (findParting(promptIds, whole) >= 0) {
        return dropped(
          "boundary-mismatch",
          describeTemplate(promptIds, whole, (ids) => this.decode(ids)),
        )
      }
      scored.push(this.closedTurn(whole.slice(promptIds.length)))
    }
    return { prompt: promptIds, responses: scored }
  }

  private templateFor(tools: readonly unknown[] | undefined): ChatTemplate {
    const template = (tools && this.toolTemplate) ?? this.template
    if (template !== undefined) return template
    throw new InvalidTokenizer(
      "the model has no chat template; add chat_template to tokenizer_config.json, or use plain text",
    )
  }

  /** The ids of a conversation as the template writes it. */
  private conversation(
    template: ChatTemplate,
    messages: readonly Message[],
    { chatTemplateOptions: options, onRendered }: Pick<TokenisationPolicy, "chatTemplateOptions" | "onRendered">,
    {
      addGenerationHeader,
      tools,
    }: { readonly addGenerationHeader: boolean; readonly tools?: readonly unknown[] | undefined },
  ): number[] {
    const text = template.render(messages, { addGenerationHeader, tools, options })
    onRendered?.(text)
    return this.withSingleBos(this.encode(text))
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

type ChatPair = { readonly tools?: readonly unknown[] }

function isEmptyText(response: string | readonly Message[]): boolean {
  if (typeof response === "string") return response.trim() === ""
  return response.every(({ content, tool_calls: calls }) => content.trim() === "" && calls === undefined)
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}
