// What became of deliveries, and what an operator does about those that were refused.
import { beforeEach, describe, expect, it } from "vitest"
import type { Delivery } from "#shared/api/webhooks.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import {
  argillaEvent,
  deliverPlain,
  deliverSigned,
  type Endpoint,
  labelStudioEvent,
  makeEndpoint,
} from "./deliveries.ts"
import { bindings, call, DATASET, makeKey, type Problem, post, rows, startWorld } from "./world.ts"

let endpoint: Endpoint

beforeEach(async () => {
  await startWorld()
  endpoint = await makeEndpoint("label-studio")
})

const pathOf = ({ id }: Endpoint) => `/v1/webhooks/${id}/deliveries`

const listOf = async (target: Endpoint, query = ""): Promise<readonly Delivery[]> =>
  (await call<{ items: Delivery[] }>("GET", `${pathOf(target)}${query}`)).value.items

const digestOf = (payload: unknown) => sha256Hex(new TextEncoder().encode(JSON.stringify(payload)))

const bodies = async () => (await bindings.BLOBS.list({ prefix: "deliveries/" })).objects.map(({ key }) => key)

const choice = (label: string) =>
  labelStudioEvent({ id: 40, result: [{ type: "choices", to_name: "prompt", value: { choices: [label] } }] })

describe("the list of an endpoint's deliveries", () => {
  it("says of each what became of it and why, the newest first", async () => {
    const skipped = labelStudioEvent(
      { was_cancelled: true, updated_at: "2026-11-01T11:00:00Z" },
      { action: "ANNOTATION_UPDATED" },
    )
    const sent = [labelStudioEvent(), labelStudioEvent(), skipped, { action: "TASKS_CREATED" }, choice("Better")]
    for (const payload of sent) await deliverPlain(endpoint, payload)
    await deliverPlain(endpoint, labelStudioEvent(), "a wrong secret of the tool")
    const list = await listOf(endpoint)
    expect(list.map(({ status, reason, canBeReplayed }) => [status, reason, canBeReplayed])).toEqual([
      ["refused", "its signature or secret is not valid for this endpoint, or too old", false],
      ["refused", expect.stringMatching(/^No result can be read|^The choice|"Better"/), true],
      ["ignored", "TASKS_CREATED carries no judgement", true],
      ["retracted", undefined, false],
      ["duplicate", undefined, false],
      ["accepted", undefined, false],
    ])
    expect(list[2]!.digest).toBe(await digestOf({ action: "TASKS_CREATED" }))
    expect(list.every(({ receivedAt }) => Math.abs(receivedAt - Date.now()) < 60_000)).toBe(true)
    expect((await listOf(endpoint, "?status=refused")).length).toBe(2)
    const page = await call<{ items: Delivery[]; nextCursor: string }>("GET", `${pathOf(endpoint)}?limit=4`)
    const rest = await listOf(endpoint, `?limit=4&cursor=${page.value.nextCursor}`)
    expect([...page.value.items, ...rest]).toEqual(list)
  })

  it("has a body that is no JSON, a judgement that cannot be learnt from and a run that cannot begin", async () => {
    await deliverSigned(await makeEndpoint("retrain"), "{")
    const retrain = await makeEndpoint("retrain")
    const misplaced = await deliverSigned(retrain, { type: "retrain.requested", promotion: "never" })
    expect([misplaced.status, misplaced.value.detail]).toEqual([
      422,
      "`promotion` stands beside `data`, where nothing is read; put it into `data`.",
    ])
    await deliverSigned(retrain, { data: { nonsense: 1 } })
    await deliverPlain(endpoint, labelStudioEvent({}, { data: { answer2: "Because…" } }))
    expect((await listOf(retrain))[0]).toMatchObject({ status: "refused", reason: expect.stringMatching(/nonsense/) })
    expect((await listOf(endpoint))[0]).toMatchObject({
      status: "refused",
      reason: expect.stringMatching(/say the same/),
    })
  })

  it("is the operator's alone, and of endpoints that exist", async () => {
    expect((await call("GET", pathOf(endpoint), { key: null })).status).toBe(401)
    expect((await call("GET", pathOf(endpoint), { key: await makeKey("read", "ingest") })).status).toBe(403)
    expect((await call("GET", "/v1/webhooks/none/deliveries")).status).toBe(404)
  })

  it("keeps the bodies of the last thousand, and forgets what is older than a day beyond these", async () => {
    const old = choice("Old")
    const recent = choice("Recent")
    for (const payload of [old, recent]) await deliverPlain(endpoint, payload)
    await bindings.DB.prepare("UPDATE deliveries SET received_at = 1 WHERE digest = ?")
      .bind(await digestOf(old))
      .run()
    await bindings.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
       INSERT INTO deliveries (endpoint_id, digest, status, is_genuine, has_body, received_at)
       SELECT '${endpoint.id}', 'digest ' || i, 'accepted', 1, 0, ${Date.now()} FROM n`,
    ).run()
    await deliverPlain(endpoint, labelStudioEvent())
    expect(await bodies()).toEqual([])
    const kept = await rows<{ digest: string }>("SELECT digest FROM deliveries WHERE status = 'refused'")
    expect(kept).toEqual([{ digest: await digestOf(recent) }])
  })

  it("holds no more than a hundred without a valid signature, which push out no other", async () => {
    await deliverPlain(endpoint, choice("Better"))
    await bindings.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
       INSERT INTO deliveries (endpoint_id, digest, status, is_genuine, has_body, received_at)
       SELECT '${endpoint.id}', 'digest ' || i, 'refused', 0, 0, 1 FROM n`,
    ).run()
    await deliverPlain(endpoint, labelStudioEvent(), "a wrong secret of the tool")
    const counts = await rows("SELECT is_genuine, has_body, count(*) AS count FROM deliveries GROUP BY 1, 2 ORDER BY 1")
    expect(counts).toEqual([
      { is_genuine: 0, has_body: 0, count: 100 },
      { is_genuine: 1, has_body: 1, count: 1 },
    ])
  })
})

describe("a refused delivery", () => {
  it("is taken once the mapping is mended, as of when it came", async () => {
    const payload = labelStudioEvent({
      updated_at: undefined,
      result: [{ type: "choices", to_name: "prompt", value: { choices: ["The second"] } }],
    })
    expect((await deliverPlain(endpoint, payload)).status).toBe(422)
    const replay = `${pathOf(endpoint)}/${await digestOf(payload)}/replay`
    expect((await post<Problem>(replay, undefined)).status).toBe(422)
    const mapping = { responses: ["answer1", "answer2"], labels: { "The second": "answer2" } }
    const changed = await call("PUT", `/v1/webhooks/${endpoint.id}/mapping`, { json: mapping })
    expect([changed.status, changed.value]).toEqual([
      200,
      { id: endpoint.id, datasetId: DATASET, source: "label-studio", mapping, createdAt: expect.any(Number) },
    ])
    const [{ receivedAt }] = (await listOf(endpoint)) as [Delivery]
    const answer = await post(replay, undefined)
    expect([answer.status, answer.value]).toEqual([202, { status: "accepted" }])
    expect(await rows("SELECT status, received_at FROM comparisons")).toEqual([
      { status: "received", received_at: receivedAt },
    ])
    expect((await listOf(endpoint)).map(({ status }) => status)).toEqual(["accepted", "refused", "refused"])
  })

  it("counts by its tool's own time, though that clock is ahead: what was said before it does not come back", async () => {
    const ahead = (seconds: number) => new Date(Date.now() + 1000 * seconds).toISOString()
    const late = labelStudioEvent({
      updated_at: ahead(60),
      result: [{ type: "choices", to_name: "prompt", value: { choices: ["The second"] } }],
    })
    expect((await deliverPlain(endpoint, late)).status).toBe(422)
    await new Promise((resolve) => setTimeout(resolve, 5))
    const mapping = { responses: ["answer1", "answer2"], labels: { "The second": "answer2" } }
    await call("PUT", `/v1/webhooks/${endpoint.id}/mapping`, { json: mapping })
    const early = labelStudioEvent({ updated_at: ahead(30) }, { action: "ANNOTATION_UPDATED" })
    const outdone = { status: "ignored", reason: "something later was said of the same thing" }
    expect((await deliverPlain(endpoint, early)).value).toEqual(outdone)
    const replayed = await post(`${pathOf(endpoint)}/${await digestOf(late)}/replay`, undefined)
    expect(replayed.value).toEqual({ status: "accepted" })
    expect(await rows("SELECT status FROM comparisons ORDER BY labelled_at")).toEqual([
      { status: "superseded" },
      { status: "received" },
    ])
  })

  it("cannot be taken again where its body is not kept, nor a mapping be changed to what is none", async () => {
    await deliverPlain(endpoint, labelStudioEvent())
    const replay = await post<Problem>(`${pathOf(endpoint)}/${await digestOf(labelStudioEvent())}/replay`, undefined)
    expect([replay.status, replay.value.type]).toEqual([404, "urn:yohaku:problem:not-found"])
    const path = `/v1/webhooks/${endpoint.id}/mapping`
    expect((await call("PUT", path, { json: { responses: [] } })).status).toBe(400)
    expect((await call("PUT", path, { json: {}, key: await makeKey("ingest") })).status).toBe(403)
    expect((await call("PUT", "/v1/webhooks/none/mapping", { json: {} })).status).toBe(404)
  })
})

describe("an event that an operator hands in", () => {
  it("is taken as if the tool had delivered it, and listed", async () => {
    const answer = await post(pathOf(endpoint), labelStudioEvent())
    expect([answer.status, answer.value]).toEqual([202, { status: "accepted" }])
    expect((await deliverPlain(endpoint, labelStudioEvent())).value).toEqual({ status: "duplicate" })
    expect((await listOf(endpoint)).map(({ status }) => status)).toEqual(["duplicate", "accepted"])
  })

  it("is refused by an endpoint that takes no judgements, and without the right key", async () => {
    const retrain = await makeEndpoint("retrain")
    expect((await post<Problem>(pathOf(retrain), {})).value.detail).toBe("This endpoint takes no judgements.")
    expect((await post(pathOf(endpoint), labelStudioEvent(), { key: await makeKey("ingest") })).status).toBe(403)
  })
})

describe("a delivery of Argilla that somebody sends again", () => {
  const at = (ageMs: number) => new Date(Date.now() - ageMs).toISOString().replace("Z", "000Z")
  const signedBy = (timestamp: string) => ({ signedAtMs: Math.floor(Date.parse(timestamp) / 1000) * 1000 })

  it("is not taken twice, whatever its header says, also when something else was said in between", async () => {
    const target = await makeEndpoint("argilla")
    const timestamp = at(7_200_000)
    const untimed = argillaEvent({ timestamp, data: { updated_at: undefined } })
    expect((await deliverSigned(target, untimed, signedBy(timestamp))).value).toEqual({ status: "accepted" })
    const discarded = argillaEvent({ type: "response.updated", data: { updated_at: undefined, status: "discarded" } })
    expect((await deliverSigned(target, discarded)).value).toEqual({ status: "accepted", reason: "retracted" })
    expect((await deliverSigned(target, untimed, signedBy(timestamp))).value).toEqual({
      status: "duplicate",
      reason: "this very delivery was taken before",
    })
    expect(await rows("SELECT status FROM comparisons")).toEqual([{ status: "retracted" }])
  })

  it("is not valid a day after its event, or before it", async () => {
    const target = await makeEndpoint("argilla")
    for (const [ageMs, status] of [
      [24 * 3_600_000 - 60_000, 202],
      [24 * 3_600_000 + 10_000, 401],
      [-360_000, 401],
    ] as const) {
      const timestamp = at(ageMs)
      const event = argillaEvent({ timestamp, data: { id: `r${ageMs}` } })
      expect((await deliverSigned(target, event, signedBy(timestamp))).status).toBe(status)
    }
  })

  it("is taken when it was refused before and the mapping is mended", async () => {
    const target = await makeEndpoint("argilla")
    const event = argillaEvent({ values: { q: { value: "The first" } } })
    expect((await deliverSigned(target, event)).status).toBe(422)
    await call("PUT", `/v1/webhooks/${target.id}/mapping`, {
      json: { responses: ["response_a", "response_b"], labels: { "The first": "response_a" } },
    })
    expect((await deliverSigned(target, event)).value).toEqual({ status: "accepted" })
  })
})

describe("rotations of a secret at once", () => {
  it("give one living secret; the others are told so", async () => {
    const path = `/v1/datasets/${DATASET}/webhooks/${endpoint.id}/rotate`
    const answers = await Promise.all(Array.from({ length: 20 }, () => post<Endpoint & Problem>(path, undefined)))
    const made = answers.filter(({ status }) => status === 200)
    const living = [endpoint.secret, ...made.map(({ value }) => value.secret)].slice(-2)
    for (const [index, secret] of living.entries()) {
      const event = labelStudioEvent({ id: 900 + index })
      expect((await deliverPlain(endpoint, event, secret)).status).toBe(202)
    }
    expect(made.length).toBe(1)
    for (const { status, value } of answers.filter((answer) => answer.status !== 200))
      expect([status, value.type]).toEqual([409, "urn:yohaku:problem:conflict"])
    expect((await post(path, undefined)).status).toBe(200)
  })
})
