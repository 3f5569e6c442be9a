// Sends one planned request over a real connection, in the framing that was planned, and reads its whole answer.
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http"
import { gunzipSync } from "node:zlib"
import type { Plan } from "./RequestPlans.ts"

/** An answer that takes longer is a hang. */
export const ANSWER_LIMIT_MS = 30_000
/** Of an answer's body so much is kept; the rest is read and forgotten. */
const KEPT_BYTES = 4 * 1024 * 1024
const CHUNK_BYTES = 997
const CLOSED_BETWEEN = "closed between requests"

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage["headers"]
  readonly text: string
  readonly tookMs: number
}

/** What came back: an answer, nothing in time, a connection that broke, or nothing because the request itself was cut off. */
export type Outcome =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "hang" }
  | { readonly kind: "broken"; readonly reason: string }
  | { readonly kind: "cut" }

/** wrangler packs what a client would take packed. */
const unpacked = (response: IncomingMessage, bytes: Buffer): Buffer =>
  response.headers["content-encoding"] === "gzip" && bytes.length > 0 ? gunzipSync(bytes) : bytes

const read = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let kept = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (kept < KEPT_BYTES) chunks.push(chunk)
    kept += chunk.length
  }
  return unpacked(response, Buffer.concat(chunks)).toString("utf8")
}

const write = (outgoing: ClientRequest, { body, framing }: Plan): void => {
  if (body === undefined) return void outgoing.end()
  if (framing === "cut") {
    outgoing.write(body.subarray(0, Math.floor(body.length / 2)), () => setTimeout(() => outgoing.destroy(), 20))
    return
  }
  if (framing === "chunked")
    for (let at = 0; at < body.length; at += CHUNK_BYTES) outgoing.write(body.subarray(at, at + CHUNK_BYTES))
  else outgoing.write(body)
  outgoing.end()
}

/** A client of so many connections, which are kept open between requests. */
export class Sender {
  readonly #agent: Agent
  readonly #port: number
  /** Requests that met a connection which the server was closing. */
  resent = 0

  constructor(port: number, connections: number) {
    this.#port = port
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** A kept connection may be closed by the server as the next request is under way, which is sent again then (RFC 9112, 9.3.1). */
  async send(plan: Plan): Promise<Outcome> {
    const first = await this.#attempt(plan, this.#agent)
    if (first !== CLOSED_BETWEEN) return first
    this.resent += 1
    const second = await this.#attempt(plan, false)
    return second === CLOSED_BETWEEN ? { kind: "broken", reason: second } : second
  }

  /** `false` opens a connection for this request alone. */
  #attempt(plan: Plan, agent: Agent | false): Promise<Outcome | typeof CLOSED_BETWEEN> {
    const { method, path, body, framing } = plan
    // Stated always: Node.js sends bodies of some methods without any framing otherwise.
    const framed =
      framing === "chunked" ? { "transfer-encoding": "chunked" } : { "content-length": String(body?.length) }
    const startedAt = performance.now()
    return new Promise((resolve) => {
      const outgoing = request({
        ...{ host: "127.0.0.1", port: this.#port, agent, method, path },
        headers: { ...plan.headers, ...(body === undefined ? {} : framed) },
      })
      const end = (outcome: Outcome | typeof CLOSED_BETWEEN): void => {
        clearTimeout(timer)
        resolve(outcome)
      }
      const broken = (error: Error & { code?: string }): void => {
        const isClosedBetween = outgoing.reusedSocket && ["ECONNRESET", "EPIPE"].includes(error.code ?? "")
        if (framing === "cut") end({ kind: "cut" })
        else end(isClosedBetween ? CLOSED_BETWEEN : { kind: "broken", reason: error.message })
      }
      const timer = setTimeout(() => {
        end({ kind: "hang" })
        outgoing.destroy()
      }, ANSWER_LIMIT_MS)
      outgoing.on("response", (response) => {
        const { statusCode: status = 0, headers } = response
        const tookMs = () => performance.now() - startedAt
        const failed = (error: Error): void => end({ kind: "broken", reason: `in its answer: ${error.message}` })
        read(response).then(
          (text) => end({ kind: "answer", answer: { status, headers, text, tookMs: tookMs() } }),
          failed,
        )
      })
      outgoing.on("error", broken)
      write(outgoing, plan)
    })
  }
}
