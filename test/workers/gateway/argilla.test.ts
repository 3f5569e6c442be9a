import { beforeEach, describe, expect, it } from "vitest"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import { argillaEvent, deliverPlain, deliverSigned, type Endpoint, makeEndpoint } from "./deliveries.ts"
import { bindings, call, countOf, DATASET, post, rows, startWorld, stored } from "./world.ts"

let endpoint: Endpoint

beforeEach(async () => {
  await startWorld()
  endpoint = await makeEndpoint("argilla", { task: "setting" })
})

const lastPayload = async (): Promise<Comparison> => {
  const [row] = await rows<{ payload_digest: string; payload_line: number }>(
    "SELECT payload_digest, payload_line FROM comparisons ORDER BY rowid DESC LIMIT 1",
  )
  const text = await (await bindings.BLOBS.get(`blobs/${row!.payload_digest}`))!.text()
  return JSON.parse(text.split("\n")[row!.payload_line]!)
}

const statuses = async () =>
  (await rows<{ status: string }>("SELECT status FROM comparisons ORDER BY rowid")).map(({ status }) => status)

describe("an Argilla response", () => {
  it("becomes a comparison with its annotator, task and time", async () => {
    const answer = await deliverSigned(endpoint, argillaEvent())
    expect([answer.status, answer.value]).toEqual([202, { status: "accepted" }])
    expect(await lastPayload()).toEqual({
      externalId: "6c1e",
      prompt: "Why is tea hot?",
      candidates: [
        { id: "response_a", response: "Because…" },
        { id: "response_b", response: "It is not." },
      ],
      judgement: { kind: "ranking", ranks: { response_a: 1, response_b: 2 } },
      annotator: "ann1",
      task: "support",
      labelledAt: "2026-11-01T10:00:00.123456Z",
    })
    expect(await rows("SELECT source, labelled_at FROM comparisons")).toEqual([
      { source: "argilla", labelled_at: Date.parse("2026-11-01T10:00:00.123Z") },
    ])
    expect(await countOf("outbox")).toBe(1)
  })

  it("is a tie when all ranks are equal", async () => {
    const tied = {
      q: {
        value: [
          { value: "response_a", rank: 1 },
          { value: "response_b", rank: 1 },
        ],
      },
    }
    await deliverSigned(endpoint, argillaEvent({ values: tied }))
    expect((await lastPayload()).judgement).toEqual({ kind: "tie" })
  })

  it("is a choice when a label question names a response, directly or by the mapping", async () => {
    await deliverSigned(endpoint, argillaEvent({ values: { q: { value: "response_b" } } }))
    expect((await lastPayload()).judgement).toEqual({ kind: "choice", winner: "response_b" })
    const mapped = await makeEndpoint("argilla", { labels: { "The first": "response_a", Equal: "tie" } })
    await deliverSigned(mapped, argillaEvent({ values: { q: { value: "The first" } }, data: { id: "2" } }))
    expect((await lastPayload()).judgement).toEqual({ kind: "choice", winner: "response_a" })
    await deliverSigned(mapped, argillaEvent({ values: { q: { value: "Equal" } }, data: { id: "3" } }))
    expect((await lastPayload()).judgement).toEqual({ kind: "tie" })
  })

  it("is a rating when a question rates each response", async () => {
    const mapping = { ratings: { response_a: "quality_a", response_b: "quality_b" } }
    const rated = await makeEndpoint("argilla", mapping)
    await deliverSigned(rated, argillaEvent({ values: { quality_a: { value: 4 }, quality_b: { value: 2 } } }))
    expect((await lastPayload()).judgement).toEqual({ kind: "rating", scores: { response_a: 4, response_b: 2 } })
  })

  it("reads the fields and the question that the mapping names, also chat", async () => {
    const mapping = { prompt: "instruction", responses: ["one", "two", "three"], question: "order" }
    const mapped = await makeEndpoint("argilla", mapping)
    const says = (content: string) => [{ role: "assistant", content }]
    const fields = {
      instruction: [{ role: "user", content: "Why?" }],
      one: says("1"),
      two: says("2"),
      three: says("3"),
    }
    const order = ["two", "one", "three"].map((value, index) => ({ value, rank: index + 1 }))
    const values = { noise: { value: "x" }, order: { value: order } }
    expect((await deliverSigned(mapped, argillaEvent({ fields, values }))).value).toEqual({ status: "accepted" })
    expect((await lastPayload()).judgement).toEqual({ kind: "ranking", ranks: { two: 1, one: 2, three: 3 } })
  })

  it("is read by the question that judges, whatever else was answered, and refused where several do", async () => {
    const label = { value: "response_b" }
    const beside = [
      { acceptable: { value: ["response_a", "response_b"] }, preference: label },
      { problems: { value: ["too short", "no source"] }, preference: label },
      { comment: { value: "b is on topic" }, preference: label },
    ]
    for (const [index, values] of beside.entries()) {
      const answer = await deliverSigned(endpoint, argillaEvent({ values, data: { id: `r${index}` } }))
      expect(answer.value).toEqual({ status: "accepted" })
      expect((await lastPayload()).judgement).toEqual({ kind: "choice", winner: "response_b" })
    }
    const order = ["response_b", "response_a"].map((value, index) => ({ value, rank: index + 1 }))
    const values = { quality: { value: order }, style: { value: order } }
    const refused = await deliverSigned(endpoint, argillaEvent({ values }))
    expect([refused.status, refused.value.detail]).toEqual([
      422,
      "Several answers could be meant: quality, style; name the one to read in the mapping's `question`.",
    ])
  })

  it("is refused by name when its messages hold what only files may hold", async () => {
    const calls = [{ function: { name: "f", arguments: "{}" } }]
    const chat = {
      prompt: [{ role: "user", content: "Why?" }],
      response_a: [{ role: "assistant", content: "", tool_calls: calls }],
      response_b: [{ role: "assistant", content: "No." }],
    }
    const refused = await deliverSigned(endpoint, argillaEvent({ fields: chat }))
    expect(refused.status).toBe(422)
    expect(refused.value.detail).toContain("tool_calls")
  })

  it("is a duplicate when it is delivered again, under a new message id as Argilla does", async () => {
    await deliverSigned(endpoint, argillaEvent())
    const before = await stored()
    expect((await deliverSigned(endpoint, argillaEvent())).value).toEqual({ status: "duplicate" })
    const asUpdate = argillaEvent({ type: "response.updated" })
    expect((await deliverSigned(endpoint, asUpdate)).value).toEqual({ status: "duplicate" })
    expect(await stored()).toEqual(before)
  })

  it("supersedes the annotator's earlier response, in whatever order the two arrive", async () => {
    const later = argillaEvent({
      type: "response.updated",
      values: { q: { value: "response_b" } },
      data: { updated_at: "2026-11-01T11:00:00.000000" },
    })
    await deliverSigned(endpoint, argillaEvent())
    expect((await deliverSigned(endpoint, later)).value).toEqual({ status: "accepted" })
    expect(await statuses()).toEqual(["superseded", "received"])
    const reverse = { id: "other" }
    await deliverSigned(endpoint, argillaEvent({ ...later, data: { ...reverse, updated_at: "2026-11-01T11:00:00" } }))
    const late = await deliverSigned(endpoint, argillaEvent({ data: reverse }))
    expect(late.value).toEqual({ status: "ignored", reason: "something later was said of the same thing" })
    expect((await statuses()).slice(2)).toEqual(["received", "superseded"])
  })

  it("is retracted when it is deleted or discarded, and stays so when it comes again late", async () => {
    await deliverSigned(endpoint, argillaEvent())
    const deleted = await deliverSigned(endpoint, argillaEvent({ type: "response.deleted" }))
    expect(deleted.value).toEqual({ status: "accepted", reason: "retracted" })
    expect(await statuses()).toEqual(["retracted"])
    const late = argillaEvent({ type: "response.updated", data: { updated_at: "2026-11-01T12:00:00" } })
    expect((await deliverSigned(endpoint, late)).value.status).toBe("ignored")
    expect(await statuses()).toEqual(["retracted", "retracted"])
    const unknown = await deliverSigned(endpoint, argillaEvent({ type: "response.deleted", data: { id: "none" } }))
    expect(unknown.value).toEqual({ status: "ignored", reason: "nothing of it is stored" })
  })

  it("is ignored with a reason when it is a draft or another kind of event", async () => {
    const before = await stored()
    const draft = await deliverSigned(endpoint, argillaEvent({ data: { status: "draft" } }))
    expect(draft.value).toEqual({ status: "ignored", reason: "the response is a draft" })
    const other = await deliverSigned(endpoint, argillaEvent({ type: "record.completed" }))
    expect(other.value).toEqual({ status: "ignored", reason: "record.completed carries no judgement" })
    expect(await stored()).toEqual(before)
  })

  it("is refused with the mend when it does not fit the mapping", async () => {
    const cases = [
      [argillaEvent({ fields: { response_b: 7 } }), /"response_b" holds no text; name the right field/],
      [
        argillaEvent({ values: { stars: { value: 4 } } }),
        /the response answers "stars"; .* a rating question per response in `ratings`/,
      ],
      [{ type: "response.created" }, /not what this connector reads/],
      [[], /not what this connector reads/],
    ] as const
    const before = await stored()
    for (const [event, detail] of cases) {
      const refused = await deliverSigned(endpoint, event)
      expect([refused.status, refused.value.type]).toEqual([422, "urn:yohaku:problem:unusable-delivery"])
      expect(refused.value.detail).toMatch(detail)
    }
    const empty = await deliverSigned(endpoint, argillaEvent({ fields: { response_b: " " } }))
    expect([empty.status, empty.value.reason]).toEqual([422, "empty-response"])
    expect(await stored()).toEqual(before)
  })
})

describe("Argilla's signature", () => {
  it("is valid over the event's time, cut to seconds, though the header has the time of sending", async () => {
    const eventMs = Date.now() - 40_000
    const event = argillaEvent({ timestamp: new Date(eventMs).toISOString().replace("Z", "567Z") })
    const answer = await deliverSigned(endpoint, event, { signedAtMs: Math.floor(eventMs / 1000) * 1000 })
    expect(answer.value).toEqual({ status: "accepted" })
  })

  it("is not valid when it is forged, old, over another time or by another secret; nothing is stored", async () => {
    const before = await stored()
    const now = Date.now()
    const forged = [
      await deliverSigned(endpoint, argillaEvent(), { secret: (await makeEndpoint("argilla")).secret }),
      await deliverSigned(endpoint, argillaEvent(), { sentAtMs: now - 301_000 }),
      await deliverSigned(endpoint, argillaEvent(), { sentAtMs: now + 302_000 }),
      await deliverSigned(endpoint, argillaEvent(), { sentAtMs: now, signedAtMs: now - 10_000 }),
      await deliverSigned(endpoint, "not JSON", { signedAtMs: now - 10_000 }),
      await deliverPlain(endpoint, argillaEvent()),
    ]
    for (const { status, value } of forged)
      expect([status, value.type]).toEqual([401, "urn:yohaku:problem:invalid-signature"])
    expect(await stored()).toEqual(before)
  })

  it("is valid with the old secret and the new one while it is rotated, and the oldest of three is dead", async () => {
    const rotate = async () =>
      (await post<Endpoint>(`/v1/datasets/${DATASET}/webhooks/${endpoint.id}/rotate`, undefined)).value.secret
    const deliver = async (secret: string, id: string) =>
      (await deliverSigned(endpoint, argillaEvent({ data: { id } }), { secret })).status
    const second = await rotate()
    expect([await deliver(endpoint.secret, "1"), await deliver(second, "2")]).toEqual([202, 202])
    const third = await rotate()
    expect([await deliver(endpoint.secret, "3"), await deliver(second, "4"), await deliver(third, "5")]).toEqual([
      401, 202, 202,
    ])
  })

  it("does not open a body that is too large, broken or no JSON", async () => {
    expect((await deliverSigned(endpoint, "x".repeat(1024 * 1024 + 1))).status).toBe(413)
    const broken = await deliverSigned(endpoint, "{")
    expect([broken.status, broken.value.type]).toEqual([400, "urn:yohaku:problem:malformed-json"])
  })
})

describe("a webhook endpoint", () => {
  it("keeps its secret sealed: neither it nor its base64 is in the database", async () => {
    const everything = JSON.stringify([
      await rows("SELECT * FROM webhook_endpoints"),
      await rows("SELECT * FROM idempotency"),
    ])
    expect(everything).not.toContain(endpoint.secret.slice("whsec_".length))
  })

  it("is not found under another source or id", async () => {
    const there = await deliverPlain({ ...endpoint, path: `/v1/webhooks/label-studio/${endpoint.id}` }, {})
    const nowhere = await deliverSigned({ ...endpoint, path: "/v1/webhooks/argilla/0000" }, {})
    for (const { status, value } of [there, nowhere])
      expect([status, value.type]).toEqual([404, "urn:yohaku:problem:not-found"])
  })

  it("is listed without its secret", async () => {
    const { value } = await call("GET", `/v1/datasets/${DATASET}/webhooks`)
    expect(value).toEqual({
      items: [
        {
          id: endpoint.id,
          datasetId: DATASET,
          source: "argilla",
          mapping: { task: "setting" },
          createdAt: expect.any(Number),
        },
      ],
    })
  })

  it("refuses a secret that its source cannot use, and a rotation of what is not there", async () => {
    const refused = await post<{ type: string }>(`/v1/datasets/${DATASET}/webhooks`, {
      source: "argilla",
      secret: "weak",
    })
    expect([refused.status, refused.value.type]).toEqual([422, "urn:yohaku:problem:unusable-request"])
    expect((await post(`/v1/datasets/${DATASET}/webhooks/none/rotate`, undefined)).status).toBe(404)
  })
})
