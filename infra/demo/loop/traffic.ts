// The demo's labelling traffic (infra/demo/data/traffic.jsonl) and its delivery, signed as each tool signs.
import { readFileSync } from "node:fs"
import { request } from "#infra/local/http.ts"
import { argillaHeaders } from "./signing.ts"

export interface Delivery {
  readonly id: string
  readonly carrier: "argilla" | "label-studio" | "native"
  readonly expect:
    | { readonly outcome: "accepted"; readonly pairs: number }
    | { readonly outcome: "duplicate" | "ignored" }
    | { readonly outcome: "rejected"; readonly reason: string }
  /** The delivery is signed with a secret that the gateway does not know. */
  readonly sign?: "wrong"
  readonly body: Readonly<Record<string, unknown>>
}

export interface Endpoint {
  readonly path: string
  readonly secret: string
}

export interface Destination {
  readonly url: string
  readonly datasetId: string
  readonly ingestKey: string
  readonly endpoints: Readonly<Record<"argilla" | "label-studio", Endpoint>>
  readonly signal?: AbortSignal | undefined
}

export interface DeliveryCounts {
  readonly accepted: number
  readonly duplicate: number
  readonly ignored: number
  readonly rejected: number
}

type Outcome = keyof DeliveryCounts

interface GatewayAnswer {
  readonly status?: Outcome | "superseded"
  readonly reason?: string
  readonly type?: string
}

const WRONG_SECRET = `whsec_${Buffer.from("a secret nobody gave to the gateway").toString("base64")}`

export const readTraffic = (file: string): readonly Delivery[] =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Delivery)

/** Pairs that the traffic must lead to: deliveries which are repeats or unusable lead to none. */
export const expectedPairs = (traffic: readonly Delivery[]): number =>
  traffic.reduce((sum, { expect }) => sum + (expect.outcome === "accepted" ? expect.pairs : 0), 0)

/** How long before its delivery Argilla's event happened, so that the two times differ as they do there. */
const EVENT_AGE_MS = 2_000

/** Argilla's event happens now, whenever its label was made: an old one would be refused. */
const eventOf = ({ carrier, body }: Delivery) =>
  carrier === "argilla" ? { ...body, timestamp: new Date(Date.now() - EVENT_AGE_MS).toISOString() } : body

/** `position` is part of the delivery's identity: the same label delivered again later is another delivery. */
const send = (destination: Destination, delivery: Delivery, position: number) => {
  const event = eventOf(delivery)
  const body = JSON.stringify(event)
  const bytes = new TextEncoder().encode(body)
  if (delivery.carrier === "native") {
    return request<GatewayAnswer>(destination.url, "POST", `/v1/datasets/${destination.datasetId}/comparisons`, {
      key: destination.ingestKey,
      idempotencyKey: `demo-${position}-${delivery.id}`,
      bytes,
      signal: destination.signal,
      headers: { "content-type": "application/json" },
    })
  }
  const endpoint = destination.endpoints[delivery.carrier]
  const secret = delivery.sign === "wrong" ? WRONG_SECRET : endpoint.secret
  const headers =
    delivery.carrier === "argilla"
      ? argillaHeaders(secret, `msg_${position}_${delivery.id}`, body, String(event.timestamp))
      : { "x-yohaku-secret": secret }
  return request<GatewayAnswer>(destination.url, "POST", endpoint.path, {
    bytes,
    signal: destination.signal,
    headers: { ...headers, "content-type": "application/json" },
  })
}

const outcomeOf = (status: number, answer: GatewayAnswer): { readonly outcome: Outcome; readonly reason?: string } => {
  if (status === 202) return { outcome: answer.status === "superseded" ? "accepted" : (answer.status ?? "accepted") }
  if (status >= 400 && status < 500)
    return { outcome: "rejected", reason: answer.reason ?? answer.type?.split(":").at(-1) ?? "" }
  throw new Error(`the gateway answered ${status}; see the log of the workers`)
}

/** A delivery that was accepted by an earlier, interrupted replay is a duplicate now: both are right. */
const isAsExpected = (delivery: Delivery, outcome: Outcome): boolean =>
  delivery.expect.outcome === outcome || (delivery.expect.outcome === "accepted" && outcome === "duplicate")

/**
 * Delivers everything in order and counts the answers. Throws when the gateway's answer is not the one the traffic
 * expects, naming the delivery.
 */
export const replay = async (
  destination: Destination,
  traffic: readonly Delivery[],
  onDelivered: (delivered: number) => void,
): Promise<DeliveryCounts> => {
  const counts = { accepted: 0, duplicate: 0, ignored: 0, rejected: 0 }
  for (const [index, delivery] of traffic.entries()) {
    const answer = await send(destination, delivery, index)
    const { outcome, reason } = outcomeOf(answer.status, answer.value)
    if (!isAsExpected(delivery, outcome)) {
      const expected = JSON.stringify(delivery.expect)
      throw new Error(
        `delivery ${delivery.id} (${delivery.carrier}) was ${outcome} (${reason ?? "no reason"}), expected ${expected}`,
      )
    }
    counts[outcome] += 1
    onDelivered(index + 1)
  }
  return counts
}
