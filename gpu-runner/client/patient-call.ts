// A call whose answer may take long: fetch gives up after five minutes without one, and nothing tells it otherwise. This one gives up after an
// hour, many times what the digest of the largest file takes: whoever waits for a gateway that hangs then asks again.
import http from "node:http"
import https from "node:https"
import { Effect } from "effect"
import type { GatewayAddress } from "./ApiClient.ts"
import { type ProblemLike, toCallFailure } from "./call-failure.ts"

interface Answer {
  readonly status: number
  readonly text: string
}

const ANSWERED_WITHIN_MS = 60 * 60 * 1000

type Headers = Readonly<Record<string, string>>

const post = (
  { url, token }: GatewayAddress,
  path: string,
  more: Headers,
  withinMs: number,
  signal: AbortSignal,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const target = new URL(`${url}${path}`)
    const { request } = target.protocol === "https:" ? https : http
    const headers = { ...more, authorization: `Bearer ${token}`, "content-length": "0" }
    const outgoing = request(target, { method: "POST", headers, signal }, (response) => {
      const pieces: Buffer[] = []
      response.on("data", (piece: Buffer) => pieces.push(piece))
      response.on("error", reject)
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString("utf8") }),
      )
    })
    // A connection that nothing passes over for minutes is kept up, or found to be dead.
    outgoing.on("socket", (socket) => socket.setKeepAlive(true, 30_000))
    outgoing.setTimeout(withinMs, () => outgoing.destroy(new Error(`no answer within ${withinMs / 60_000} minutes`)))
    outgoing.on("error", reject)
    outgoing.end()
  })

const problemOf = ({ status, text }: Answer): ProblemLike => {
  try {
    return { ...(JSON.parse(text) as ProblemLike), status }
  } catch {
    return { status, message: `the gateway answers ${status}` }
  }
}

/** A POST without a body, waited for as long as it takes, for an hour at most. Fails as every call of the gateway does. */
export const postPatiently = Effect.fnUntraced(function* (
  gateway: GatewayAddress,
  path: string,
  headers: Headers = {},
  withinMs = ANSWERED_WITHIN_MS,
) {
  const answer = yield* Effect.tryPromise({
    try: (signal) => post(gateway, path, headers, withinMs, signal),
    catch: toCallFailure,
  })
  if (answer.status !== 200) return yield* toCallFailure(problemOf(answer))
})
