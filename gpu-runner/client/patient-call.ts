// A call that fetch would not do: one whose answer may take long (fetch gives up after five minutes without one), and one whose body takes long to
// leave (fetch does not say how far it is). Whoever waits for a gateway that hangs asks again: after an hour where it digests the largest file
// meanwhile, else after five minutes in which nothing passed.
import http from "node:http"
import https from "node:https"
import { Readable } from "node:stream"
import { Effect } from "effect"
import type { GatewayAddress } from "./ApiClient.ts"
import { type ProblemLike, toCallFailure } from "./call-failure.ts"

interface Answer {
  readonly status: number
  readonly text: string
}

const ANSWERED_WITHIN_MS = 60 * 60 * 1000
const PASSING_WITHIN_MS = 5 * 60 * 1000
/** Of a body, between two of which it is told that it goes on. */
const PIECE_BYTES = 64 * 1024

type Headers = Readonly<Record<string, string>>

interface Call {
  readonly method: "POST" | "PUT"
  readonly path: string
  readonly headers: Headers
  readonly body: Uint8Array
  /** Nothing passes over the connection for longer. */
  readonly withinMs: number
  /** A piece of the body has left. */
  readonly onLeft: () => void
}

/** The next is asked for when one has left. */
function* piecesOf({ body, onLeft }: Call): Generator<Uint8Array> {
  for (let start = 0; start < body.length; start += PIECE_BYTES) {
    yield body.subarray(start, start + PIECE_BYTES)
    onLeft()
  }
}

const send = ({ url, token }: GatewayAddress, call: Call, signal: AbortSignal): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { method, path, headers: more, body, withinMs } = call
    const target = new URL(`${url}${path}`)
    const { request } = target.protocol === "https:" ? https : http
    const headers = { ...more, authorization: `Bearer ${token}`, "content-length": String(body.length) }
    const outgoing = request(target, { method, headers, signal }, (response) => {
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
    Readable.from(piecesOf(call)).pipe(outgoing)
  })

const problemOf = ({ status, text }: Answer): ProblemLike => {
  try {
    return { ...(JSON.parse(text) as ProblemLike), status }
  } catch {
    return { status, message: `the gateway answers ${status}` }
  }
}

const answered = Effect.fnUntraced(function* (gateway: GatewayAddress, call: Call) {
  const answer = yield* Effect.tryPromise({ try: (signal) => send(gateway, call, signal), catch: toCallFailure })
  if (answer.status !== 200) return yield* toCallFailure(problemOf(answer))
})

/** A POST without a body, waited for as long as it takes, for an hour at most. Fails as every call of the gateway does. */
export const postPatiently = (
  gateway: GatewayAddress,
  path: string,
  headers: Headers = {},
  withinMs = ANSWERED_WITHIN_MS,
) =>
  answered(gateway, {
    ...{ method: "POST", path, headers, withinMs },
    ...{ body: new Uint8Array(0), onLeft: () => undefined },
  })

/** A PUT of bytes, which says when some of them have left. Fails as every call of the gateway does. */
export const putBytes = (
  gateway: GatewayAddress,
  path: string,
  { headers, body, onLeft }: Pick<Call, "headers" | "body" | "onLeft">,
) =>
  answered(gateway, {
    ...{ method: "PUT", path, body, onLeft, withinMs: PASSING_WITHIN_MS },
    headers: { ...headers, "content-type": "application/octet-stream" },
  })
