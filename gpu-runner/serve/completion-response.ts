// How a completion goes out: as one JSON object when it is whole, or as a stream of server-sent events while it is being said.
import type { ServerResponse } from "node:http"
import type { AnswerPiece } from "./answer.ts"
import { firstChunk, pieceChunk, usageChunk, wholeAnswer } from "./answer-json.ts"
import { type ApiError, toApiError } from "./api-error.ts"
import { beginCompletion, type Completion, type ServedBase } from "./completion.ts"
import type { CompletionRequest } from "./completion-request.ts"

/** Told of failures that are no client's. */
export type OnServerFailure = (failure: unknown) => void

export function sendJson(response: ServerResponse, status: number, value: object): void {
  if (response.headersSent || response.destroyed) return
  const body = Buffer.from(JSON.stringify(value))
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body)
}

export function sendError(response: ServerResponse, error: ApiError): void {
  const { retryAfterSeconds, code } = error
  if (response.headersSent || response.destroyed) return
  if (retryAfterSeconds !== undefined) response.setHeader("retry-after", retryAfterSeconds)
  if (code === "invalid_api_key") response.setHeader("www-authenticate", "Bearer")
  if (code === "draining" || code === "request_too_large") response.setHeader("connection", "close")
  sendJson(response, error.status, error.json)
}

/** Answers a request. Until the first piece is there, a failure has its own status. Errors: ApiError. */
export function sendCompletion(
  base: ServedBase,
  request: CompletionRequest,
  response: ServerResponse,
  onServerFailure: OnServerFailure,
): void {
  const pieces: AnswerPiece[][] = []
  const event = (value: object | "[DONE]") => {
    if (!response.headersSent) {
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" })
    }
    response.write(`data: ${value === "[DONE]" ? value : JSON.stringify(value)}\n\n`)
  }
  const completion: Completion = beginCompletion(base, request, {
    onPiece: (choice, piece) => {
      const isFirst = pieces[choice] === undefined
      pieces[choice] ??= []
      if (!request.isStreamed) return void pieces[choice].push(piece)
      if (isFirst && request.kind === "chat") event(firstChunk(completion.head, choice))
      event(pieceChunk(completion.head, piece, choice))
    },
    onEnd: (usage) => {
      if (!request.isStreamed) return sendJson(response, 200, wholeAnswer(completion.head, pieces, usage))
      if (request.includesUsage) event(usageChunk(completion.head, usage))
      event("[DONE]")
      response.end()
    },
    onFailure: (failure) => {
      const error = toApiError(failure)
      if (error.code === "internal_error") onServerFailure(failure)
      if (!response.headersSent) return sendError(response, error)
      event(error.json)
      response.end()
    },
  })
  if (response.closed) completion.abandon()
  else response.on("close", completion.abandon)
}
