// The server's routes over node:http. Five routes with streams and clients that go away need its events more than a framework: which request is
// whose, and when a connection is gone.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AccessCheck } from "./access.ts"
import { ApiError, toApiError } from "./api-error.ts"
import type { ServedBase } from "./completion.ts"
import { readCompletionRequest } from "./completion-request.ts"
import { type OnServerFailure, sendCompletion, sendError, sendJson } from "./completion-response.ts"
import { readBody } from "./request-body.ts"
import type { ListedModel } from "./served-models.ts"

export interface HttpOptions {
  /** Undefined until the model is there. */
  readonly base: () => ServedBase | undefined
  readonly checkAccess: AccessCheck
  readonly onServerFailure: OnServerFailure
}

type Handler = (base: ServedBase, options: HttpOptions, request: IncomingMessage, response: ServerResponse) => unknown

const MOST_CONNECTIONS = 1024
/** A request must be whole after this. */
const REQUEST_TIMEOUT_MS = 60_000

const ROUTES: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  "/v1/chat/completions": { POST: completions("chat") },
  "/v1/completions": { POST: completions("text") },
  "/v1/models": {
    GET: ({ models }, _options, _request, response) =>
      sendJson(response, 200, { object: "list", data: models.listed.map(modelJson) }),
  },
  "/health": { GET: (base, _options, _request, response) => sendHealth(base, response) },
}

const ONE_MODEL = /^\/v1\/models\/(.+)$/

export function createHttpServer(options: HttpOptions): Server {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void answer(options, request, response)
  })
  server.maxConnections = MOST_CONNECTIONS
  return server
}

async function answer(options: HttpOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A connection that breaks is told by "close"; unheard, its error would end the process.
  request.on("error", () => undefined)
  response.on("error", () => undefined)
  try {
    const path = (request.url ?? "/").split("?")[0]!
    if (path !== "/health") options.checkAccess(request)
    const handle = handlerOf(path, request.method ?? "")
    const base = options.base()
    if (base === undefined) throw new ApiError("starting", "the model is being loaded", { retryAfterSeconds: 5 })
    await handle(base, options, request, response)
  } catch (error) {
    const told = toApiError(error)
    if (told.code === "internal_error" && !request.destroyed) options.onServerFailure(error)
    sendError(response, told)
  }
}

/** Errors: ApiError. */
function handlerOf(path: string, method: string): Handler {
  const [, name] = ONE_MODEL.exec(path) ?? []
  const methods = Object.hasOwn(ROUTES, path) ? ROUTES[path]! : name === undefined ? undefined : { GET: oneModel(name) }
  if (methods === undefined) {
    throw new ApiError("unknown_url", `there is no ${path} here; there are ${Object.keys(ROUTES).join(", ")}`)
  }
  if (Object.hasOwn(methods, method)) return methods[method]!
  throw new ApiError("method_not_allowed", `${path} is asked with ${Object.keys(methods).join(", ")}, not ${method}`)
}

function completions(kind: "chat" | "text"): Handler {
  return async (base, { onServerFailure }, request, response) => {
    base.scheduler.throwIfClosed()
    const body = await readBody(request)
    sendCompletion(base, readCompletionRequest(kind, body), response, onServerFailure)
  }
}

function oneModel(encoded: string): Handler {
  return ({ models }, _options, _request, response) => {
    const name = decoded(encoded)
    const found = models.listed.find((model) => model.name === name)
    if (found) return sendJson(response, 200, modelJson(found))
    throw new ApiError("model_not_found", `no model ${JSON.stringify(name)} is served here`, { param: "model" })
  }
}

/** A name as it is, where it cannot be decoded. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

function modelJson({ name, since, base }: ListedModel): object {
  return {
    id: name,
    object: "model",
    created: since,
    owned_by: "yohaku",
    ...(base === undefined ? {} : { parent: base }),
  }
}

function sendHealth({ scheduler }: ServedBase, response: ServerResponse): void {
  const { isDraining, isBroken, running, waiting } = scheduler
  const status = isBroken ? "failed" : isDraining ? "draining" : "ok"
  sendJson(response, status === "ok" ? 200 : 503, { status, running, waiting })
}
