// The demo's labelling traffic, delivered as infra/demo delivers it: every answer is the one the traffic expects. All that is
// special in it, and every tenth of what is plainly accepted.
import { beforeEach, describe, expect, it } from "vitest"
import traffic from "../../../infra/demo/data/traffic.jsonl?raw"
import { deliverPlain, deliverSigned, makeEndpoint } from "./deliveries.ts"
import { call, countOf, DATASET, newKey, startWorld } from "./world.ts"

beforeEach(startWorld)

interface Delivery {
  readonly id: string
  readonly carrier: "argilla" | "label-studio" | "native"
  readonly expect: { readonly outcome: "accepted" | "duplicate" | "ignored" | "rejected" }
  readonly sign?: "wrong"
  readonly body: Readonly<Record<string, unknown>>
}

const EVERY = 10

const isPlain = (delivery: Delivery): boolean => delivery.expect.outcome === "accepted"

const deliveries: readonly Delivery[] = traffic
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))

/** A duplicate needs the delivery that it repeats. */
const repeated = new Set(deliveries.filter((delivery) => !isPlain(delivery)).map(({ id }) => id))

const selected = deliveries.filter(
  (delivery, index) => !isPlain(delivery) || repeated.has(delivery.id) || index % EVERY === 0,
)

describe("the demo's traffic", () => {
  it("is answered as it expects to be", async () => {
    const argilla = await makeEndpoint("argilla", { task: "setting" })
    const labelStudio = await makeEndpoint("label-studio", { task: "setting" })
    const wrong = (await makeEndpoint("argilla")).secret
    const send = ({ carrier, body, sign }: Delivery) => {
      if (carrier === "argilla") {
        const eventMs = Date.now() - 2_000
        const signedAtMs = Math.floor(eventMs / 1000) * 1000
        const event = { ...body, timestamp: new Date(eventMs).toISOString() }
        return deliverSigned(argilla, event, { signedAtMs, ...(sign === undefined ? {} : { secret: wrong }) })
      }
      if (carrier === "label-studio")
        return deliverPlain(labelStudio, body, sign === undefined ? labelStudio.secret : wrong)
      return call<{ status: unknown }>("POST", `/v1/datasets/${DATASET}/comparisons`, {
        json: body,
        idempotencyKey: newKey(),
      })
    }
    let accepted = 0
    for (const delivery of selected) {
      const { status, value, text } = await send(delivery)
      const outcome = status === 202 ? value.status : status < 500 ? "rejected" : "failed"
      expect(outcome, `${delivery.id}: ${text}`).toBe(delivery.expect.outcome)
      if (outcome === "accepted") accepted += 1
    }
    expect(accepted).toBeGreaterThan(50)
    expect(await countOf("comparisons")).toBe(accepted)
  })
})
