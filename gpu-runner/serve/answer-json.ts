// Answers in OpenAI's shapes: whole, and in the chunks of a stream.
import type { FinishReason } from "#gpu-runner/generation/sequence-batch.ts"
import type { AnswerPiece, AnswerToken } from "./answer.ts"
import type { CompletionRequest } from "./completion-request.ts"
import type { TokenTexts } from "./token-texts.ts"

/** What all chunks of an answer say alike. */
export interface AnswerHead {
  readonly id: string
  readonly kind: CompletionRequest["kind"]
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
  readonly fingerprint: string
  /** The last chunk of a stream tells it; the others say that they do not. */
  readonly includesUsage: boolean
  /** Undefined where no log-probs are asked for. */
  readonly tokens: TokenTexts | undefined
}

export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** JSON has no −∞; OpenAI's clients know this in its place. */
const LEAST_LOG_PROB = -9999

/** A whole answer; the pieces of each choice in their order. */
export function wholeAnswer(head: AnswerHead, choices: readonly (readonly AnswerPiece[])[], usage: Usage): object {
  return {
    ...headOf(head, head.kind === "chat" ? "chat.completion" : "text_completion"),
    choices: choices.map((pieces, index) => choiceOf(head, joined(pieces), index)),
    usage: usageOf(usage),
  }
}

function joined(pieces: readonly AnswerPiece[]): AnswerPiece {
  const { finishReason, tokenCount } = pieces.at(-1)!
  const text = pieces.map((piece) => piece.text).join("")
  return { text, tokens: pieces.flatMap((piece) => piece.tokens), finishReason, tokenCount }
}

function choiceOf(head: AnswerHead, piece: AnswerPiece, index: number): object {
  const rest = { logprobs: logProbsOf(head, piece.tokens), finish_reason: reasonOf(piece.finishReason) }
  if (head.kind === "text") return { index, text: piece.text, ...rest }
  return { index, message: { role: "assistant", content: piece.text, refusal: null }, ...rest }
}

/** The first chunk of a chat's choice. */
export function firstChunk(head: AnswerHead, index: number): object {
  const choice = { index, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }
  return chunkOf(head, [choice])
}

export function pieceChunk(head: AnswerHead, piece: AnswerPiece, index: number): object {
  const rest = { logprobs: logProbsOf(head, piece.tokens), finish_reason: reasonOf(piece.finishReason) }
  if (head.kind === "text") return chunkOf(head, [{ index, text: piece.text, ...rest }])
  const delta = piece.text === "" ? {} : { content: piece.text }
  return chunkOf(head, [{ index, delta, ...rest }])
}

/** The last chunk, where a stream is asked for its usage. */
export function usageChunk(head: AnswerHead, usage: Usage): object {
  return { ...chunkOf(head, []), usage: usageOf(usage) }
}

function chunkOf(head: AnswerHead, choices: readonly object[]): object {
  const object = head.kind === "chat" ? "chat.completion.chunk" : "text_completion"
  return { ...headOf(head, object), choices, ...(head.includesUsage ? { usage: null } : {}) }
}

function headOf({ id, created, model, fingerprint }: AnswerHead, object: string): object {
  return { id, object, created, model, system_fingerprint: fingerprint }
}

function usageOf({ promptTokens, completionTokens }: Usage): object {
  const total = promptTokens + completionTokens
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: total }
}

function reasonOf(reason: FinishReason | undefined): "stop" | "length" | null {
  if (reason === undefined) return null
  return reason === "length" ? "length" : "stop"
}

function logProbsOf({ kind, tokens: texts }: AnswerHead, tokens: readonly AnswerToken[]): object | null {
  if (texts === undefined || tokens.length === 0) return null
  return kind === "chat" ? chatLogProbs(texts, tokens) : textLogProbs(texts, tokens)
}

function chatLogProbs(texts: TokenTexts, tokens: readonly AnswerToken[]): object {
  const entry = ({ id, logProb }: { readonly id: number; readonly logProb: number }) => {
    return { token: texts.of(id).token, logprob: finite(logProb), bytes: texts.of(id).bytes }
  }
  const content = tokens.map((token) => ({ ...entry(token), top_logprobs: token.likeliest.map(entry) }))
  return { content, refusal: null }
}

/** As OpenAI's older endpoint has them: lists side by side. Of equally written tokens the likeliest counts. */
function textLogProbs(texts: TokenTexts, tokens: readonly AnswerToken[]): object {
  const byText = ({ likeliest }: AnswerToken) =>
    Object.fromEntries(likeliest.toReversed().map(({ id, logProb }) => [texts.of(id).token, finite(logProb)]))
  return {
    tokens: tokens.map(({ id }) => texts.of(id).token),
    token_logprobs: tokens.map(({ logProb }) => finite(logProb)),
    top_logprobs: tokens.map(byText),
    text_offset: tokens.map(({ offset }) => offset),
  }
}

function finite(logProb: number): number {
  return Math.max(LEAST_LOG_PROB, logProb)
}
