// A server over the demo's model, or a model of a test's own, and what clients do with it: real requests over a socket.
import { request as httpRequest } from "node:http"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { type ModelServer, openServer, type ServerOptions } from "#gpu-runner/serve/open-server.ts"

export const DEMO_MODEL = "infra/demo/model"

export type ServedOptions = Partial<Omit<ServerOptions, "model" | "adapters">> & {
  readonly modelDir?: string
  /** Folders by name. */
  readonly adapters?: Readonly<Record<string, string>>
}

/** A server on a free port, with what a test says otherwise. Failures of its own fail the test that asked. */
export async function served(
  gpu: GpuDevice,
  { modelDir = DEMO_MODEL, adapters = {}, ...more }: ServedOptions = {},
): Promise<ModelServer> {
  const model = await readModelFolder(modelDir)
  const named = Object.entries(adapters).map(([name, directory]) => ({ name, ...readAdapterFolder(directory, model) }))
  return openServer(gpu, {
    ...{ model, name: "demo", adapters: named, maxLength: 192, batch: 8, mostWaiting: 32 },
    ...{ host: "127.0.0.1", port: 0, apiKey: undefined, onServerFailure: console.error },
    ...more,
  })
}

export const user = (content: string) => [{ role: "user", content }]

/** Of no type on purpose: a test looks at whatever came, and a field that is not there fails it. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Said = any

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly json: Said
}

export async function post(
  server: Pick<ModelServer, "url">,
  path: string,
  body: unknown,
  headers: object = {},
): Promise<Reply> {
  const response = await fetch(`${server.url}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, json: await response.json() }
}

/** The events of a stream; the last one is the text [DONE]. */
export async function stream(server: Pick<ModelServer, "url">, path: string, body: object) {
  const response = await fetch(`${server.url}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true }),
  })
  const text = await response.text()
  const events = text.split("\n\n").filter((event) => event !== "")
  const chunks: Said[] = events.slice(0, -1).map((event) => JSON.parse(event.replace(/^data: /, "")))
  return { status: response.status, type: response.headers.get("content-type"), chunks, last: events.at(-1) }
}

/** The text of a chat's choice in a stream's chunks. */
export function streamedText(chunks: readonly Said[], choice = 0): string {
  return chunks
    .flatMap(({ choices }) => choices)
    .filter(({ index }) => index === choice)
    .map(({ delta, text }) => text ?? delta.content ?? "")
    .join("")
}

/** A streamed request that can go away: resolves with its first bytes. */
export function openStream(server: Pick<ModelServer, "url">, path: string, body: object) {
  let text = ""
  let isEnded = false
  const { promise: begun, resolve: begin, reject } = Promise.withResolvers<void>()
  const { promise: ended, resolve: end } = Promise.withResolvers<string>()
  const outgoing = httpRequest(
    `${server.url}/v1/${path}`,
    { method: "POST", headers: { "content-type": "application/json" }, agent: false },
    (response) => {
      response.setEncoding("utf8")
      response.on("data", (piece: string) => {
        text += piece
        begin()
      })
      response.on("error", () => undefined)
      response.on("close", () => {
        isEnded = true
        end(text)
      })
    },
  )
  outgoing.on("error", reject)
  // One that goes away before it was answered is no failure of a test that does not wait for it.
  begun.catch(() => undefined)
  outgoing.end(JSON.stringify({ ...body, stream: true }))
  return {
    begun,
    ended,
    goAway: () => outgoing.destroy(),
    get isEnded() {
      return isEnded
    },
  }
}

/** Until a condition holds; a test's own timeout ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
