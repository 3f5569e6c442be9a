// From a request to answers under way: prompts as token ids that fit the context, the model by its name, and what each answer says, piece by
// piece.
import { randomUUID } from "node:crypto"
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { type ChatTemplateOptions, ChatTemplateRefused, InvalidTokenizer } from "#shared/tokenisation/tokenisation.ts"
import { Answer, type AnswerPiece } from "./answer.ts"
import type { AnswerHead, Usage } from "./answer-json.ts"
import { ApiError } from "./api-error.ts"
import type { CompletionRequest, PromptSource } from "./completion-request.ts"
import type { Scheduler, ServedRequest } from "./scheduler.ts"
import type { HeldModel, ServedModels } from "./served-models.ts"
import type { TokenTexts } from "./token-texts.ts"

export interface ServedBase {
  readonly model: Pick<ModelFolder, "config" | "tokenisation">
  readonly models: ServedModels
  readonly scheduler: Scheduler
  readonly tokenTexts: TokenTexts
  /** Most tokens of a prompt with its response. */
  readonly maxLength: number
  /** Variables of the template, where a request says nothing else. */
  readonly chatTemplateOptions: ChatTemplateOptions | undefined
}

export interface CompletionListener {
  readonly onPiece: (choice: number, piece: AnswerPiece) => void
  /** Of all choices. */
  readonly onEnd: (usage: Usage) => void
  /** Instead of an end. */
  readonly onFailure: (failure: Error) => void
}

export interface Completion {
  readonly head: AnswerHead
  readonly choices: number
  /** Nobody waits for it any more. */
  readonly abandon: () => void
}

/** As OpenAI's /v1/completions. */
const USUAL_TEXT_TOKENS = 16

/** Begins to compute; `listener` is told from the next turn of the event loop on. Errors: ApiError. */
export function beginCompletion(
  base: ServedBase,
  request: CompletionRequest,
  listener: CompletionListener,
): Completion {
  base.scheduler.throwIfClosed()
  const model = base.models.take(request.model)
  try {
    const prompts = request.prompts.map((prompt) => tokenised(base, request, prompt))
    const progress = { open: prompts.length * request.count, completionTokens: 0, isOver: false }
    const promptTokens = prompts.reduce((sum, { length }) => sum + length, 0)
    let requests: readonly ServedRequest[] = []
    const over = () => {
      progress.isOver = true
      base.scheduler.remove(requests)
      model.giveBack()
    }
    const told: CompletionListener = {
      onPiece: (choice, piece) => {
        listener.onPiece(choice, piece)
        if (piece.finishReason === undefined) return
        progress.completionTokens += piece.tokenCount
        progress.open -= 1
        if (progress.open > 0) return
        over()
        listener.onEnd({ promptTokens, completionTokens: progress.completionTokens })
      },
      onEnd: () => undefined,
      onFailure: (failure) => {
        if (progress.isOver) return
        over()
        listener.onFailure(failure)
      },
    }
    requests = prompts.flatMap((promptIds, prompt) =>
      Array.from({ length: request.count }, (_, sample) =>
        servedRequest(base, request, { promptIds, model, sample, choice: prompt * request.count + sample }, told),
      ),
    )
    base.scheduler.add(requests)
    return { head: headOf(base, request, model), choices: requests.length, abandon: over }
  } catch (error) {
    model.giveBack()
    throw error
  }
}

function headOf({ tokenTexts }: ServedBase, request: CompletionRequest, model: HeldModel): AnswerHead {
  const { kind, logProbs, includesUsage, isStreamed } = request
  return {
    id: `${kind === "chat" ? "chatcmpl" : "cmpl"}-${randomUUID()}`,
    kind,
    created: Math.floor(Date.now() / 1000),
    model: model.name,
    fingerprint: model.fingerprint,
    includesUsage: isStreamed && includesUsage,
    tokens: logProbs === undefined ? undefined : tokenTexts,
  }
}

interface OneAnswer {
  readonly promptIds: Uint32Array
  readonly model: HeldModel
  /** Among those to its prompt, and among all. */
  readonly sample: number
  readonly choice: number
}

function servedRequest(
  { model: { config, tokenisation }, maxLength }: ServedBase,
  { kind, sampling, seed, maxTokens, stops, logProbs }: CompletionRequest,
  { promptIds, model, sample, choice }: OneAnswer,
  listener: CompletionListener,
): ServedRequest {
  const answer = new Answer(tokenisation, promptIds, { stops, tellsTokens: logProbs !== undefined })
  const left = maxLength - promptIds.length
  const usual = kind === "chat" ? left : Math.min(left, USUAL_TEXT_TOKENS)
  return {
    promptIds,
    voice: model.voice,
    sampling,
    seed,
    label: `${sample}:`,
    maxTokens: maxTokens ?? usual,
    endIds: new Set([...tokenisation.endTokenIds, ...config.eosTokenIds]),
    isStopped: answer.isStopped,
    likeliest: logProbs,
    onToken: (sequence) => {
      const piece = answer.advance(sequence)
      if (piece) listener.onPiece(choice, piece)
    },
    onFailure: listener.onFailure,
  }
}

/** A prompt's ids, which leave room for the answer. Errors: ApiError. */
function tokenised(base: ServedBase, request: CompletionRequest, prompt: PromptSource): Uint32Array {
  const { maxLength } = base
  const { kind, maxTokens } = request
  const param = kind === "chat" ? "messages" : "prompt"
  const ids = idsOf(base, request, prompt, param)
  if (ids.length === 0) throw new ApiError("invalid_prompt", `${param} has no token; write something`, { param })
  if (ids.length + (maxTokens ?? 1) <= maxLength) return ids
  const asked = maxTokens === undefined ? "no token of an answer has room" : `the answer may have ${maxTokens}`
  throw new ApiError(
    "context_length_exceeded",
    `the context holds ${maxLength} tokens; ${param} has ${ids.length}, and ${asked}: shorten it` +
      (maxTokens === undefined ? "" : ", or lower max_tokens"),
    { param },
  )
}

function idsOf(base: ServedBase, request: CompletionRequest, prompt: PromptSource, param: string): Uint32Array {
  const { tokenisation, config } = base.model
  if (prompt instanceof Uint32Array) {
    const outside = prompt.find((id) => id >= config.vocabularySize)
    if (outside === undefined) return prompt
    throw new ApiError("invalid_prompt", `${outside} is no token of the model, which has ${config.vocabularySize}`, {
      param,
    })
  }
  try {
    const chatTemplateOptions = { ...base.chatTemplateOptions, ...request.chatTemplateOptions }
    return tokenisation.tokenisePrompt(prompt, { chatTemplateOptions })
  } catch (error) {
    if (!(error instanceof ChatTemplateRefused || error instanceof InvalidTokenizer)) throw error
    throw new ApiError("invalid_prompt", error.message, { param })
  }
}
