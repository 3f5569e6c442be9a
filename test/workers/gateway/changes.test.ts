// What can be changed and ended: a dataset's settings, webhook endpoints, keys by their list, remembered answers by their age.
import { beforeEach, describe, expect, it } from "vitest"
import { forgetOldAnswers } from "#workers/gateway/storage/Answers.ts"
import { deliverPlain, labelStudioEvent, makeEndpoint } from "./deliveries.ts"
import {
  bindings,
  call,
  comparison,
  DATASET,
  makeKey,
  newKey,
  orchestrator,
  type Problem,
  post,
  rows,
  startWorld,
} from "./world.ts"

beforeEach(startWorld)

const change = <A = Record<string, unknown>>(json: object, key?: string) =>
  call<A>("PATCH", `/v1/datasets/${DATASET}`, { json, ...(key === undefined ? {} : { key }) })

describe("a dataset's settings", () => {
  it("are changed one by one, taken away by null, and stay otherwise", async () => {
    const before = (await call<object>("GET", `/v1/datasets/${DATASET}`)).value
    const set = await change({ splitVotes: "drop", retrainThreshold: 7, quietSeconds: 60, runLimits: { steps: 100 } })
    expect(set).toMatchObject({
      status: 200,
      value: { splitVotes: "drop", retrainThreshold: 7, quietSeconds: 60, runLimits: { steps: 100 } },
    })
    expect((await change({ retrainConfig: { loraRank: 4 } })).value).toMatchObject({
      ...{ retrainThreshold: 7, retrainConfig: { loraRank: 4 } },
    })
    const { value } = await change({ retrainThreshold: null, quietSeconds: null, runLimits: null })
    for (const gone of ["retrainThreshold", "quietSeconds", "runLimits"]) expect(value).not.toHaveProperty(gone)
    expect(await change({})).toMatchObject({ status: 200, value })
    expect(before).toMatchObject({ id: value.id, referenceModel: value.referenceModel, maxLength: value.maxLength })
  })

  it("of its gates are replaced as a whole, taken away by null, and refused where they contradict themselves", async () => {
    const probes = [{ name: "tone", pairs: [{ prompt: "Hello?", chosen: "Good day!", rejected: "What." }] }]
    const gates = { rules: [{ measurement: "probe-accuracy", probe: "tone", atLeast: 0.9, severity: "warn" }], probes }
    expect((await change({ gates })).value).toMatchObject({ gates })
    expect((await change({ gates: { rules: [] } })).value).toMatchObject({ gates: { rules: [] } })
    expect((await call("GET", `/v1/datasets/${DATASET}`)).value).toMatchObject({ gates: { rules: [] } })
    const unusable = await change<Problem>({ gates: { rules: [{ measurement: "drift" }] } })
    expect([unusable.status, unusable.value.detail]).toEqual([
      422,
      "gates: a rule of drift has no limit; give either atLeast or atMost",
    ])
    for (const rule of [{ measurement: "beauty", atLeast: 1 }, { measurement: "drift", atMost: "1" }, { atMost: 1 }])
      expect((await change({ gates: { rules: [rule] } })).status).toBe(400)
    expect((await change<Problem>({ gates: [{ measurement: "drift", atMost: 1 }] })).value.errors).toEqual([
      { path: ["body", "gates"], message: 'give an object of rules and probes, {"rules": […]}' },
    ])
    expect((await change({ gates: null })).value).not.toHaveProperty("gates")
  })

  it("that say when runs start are looked at at once: pairs that are there may be enough now", async () => {
    const looks = async () => (await orchestrator.calls()).filter(([name]) => name === "pairsReady").length
    const before = await looks()
    await change({ runLimits: { steps: 100 } })
    expect(await looks()).toBe(before)
    for (const said of [
      { retrainThreshold: 7 },
      { quietSeconds: null },
      { retrainConfig: {} },
      { splitVotes: "drop" },
    ]) {
      const since = await looks()
      expect((await change(said)).status).toBe(200)
      expect(await looks()).toBe(since + 1)
    }
  })

  it("have a look asked for that outlives an orchestrator which is away", async () => {
    const look = () => rows("SELECT look_due_at > 0 AS isDue, look_version AS version FROM datasets")
    await change({ runLimits: { steps: 100 } })
    expect(await look()).toEqual([{ isDue: null, version: 0 }])
    await orchestrator.failNext("throw")
    expect((await change({ retrainThreshold: 1 })).status).toBe(200)
    expect(await look()).toEqual([{ isDue: 1, version: 1 }])
  })

  it("that are changed at once are refused where they would be one after the other", async () => {
    const answers = await Promise.all([change({ maxLength: 32 }), change({ retrainConfig: { maxLength: 64 } })])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 422])
    const [kept] = await rows<{ length: number; asked: number | null }>(
      "SELECT max_length AS length, retrain_config ->> 'maxLength' AS asked FROM datasets",
    )
    expect(kept!.asked ?? 0).toBeLessThanOrEqual(kept!.length)
  })

  it("that are changed at once and go together are all kept", async () => {
    const all = [{ retrainThreshold: 7 }, { quietSeconds: 60 }, { runLimits: { steps: 9 } }, { splitVotes: "drop" }]
    const answers = await Promise.all(all.map((json) => change(json)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect((await call("GET", `/v1/datasets/${DATASET}`)).value).toMatchObject(Object.assign({}, ...all))
  })

  it("of the length decide anew where the reference is computed, unless runners do it already", async () => {
    expect((await change<{ reference: object }>({ maxLength: 512 })).value.reference).toMatchObject({ place: "edge" })
    const refused = await change<Problem>({ maxLength: 8192, reference: { place: "edge" } })
    expect([refused.status, refused.value.detail]).toEqual([422, "the edge cannot compute this reference"])
    expect((await change<{ reference: object }>({ maxLength: 8192 })).value.reference).toEqual({
      ...{ place: "runner", why: "no graph fits", precision: "stored" },
    })
    expect((await change<{ reference: object }>({ maxLength: 512 })).value.reference).toMatchObject({ place: "runner" })
  })

  it("are by null what a dataset has that was made without a word of them", async () => {
    const make = (id: string, said: object) =>
      post<{ id: string; createdAt: number }>("/v1/datasets", { id, referenceModel: { name: "tiny" }, ...said })
    const plain = (await make("plain", {})).value
    const said = {
      ...{ maxLength: 512, splitVotes: "drop", retrainThreshold: 7, retrainConfig: { loraRank: 4 }, quietSeconds: 60 },
      ...{ runLimits: { steps: 100 }, reference: { place: "runner", precision: "nf4" } },
    }
    const made = await make("said", said)
    expect(made.value).toMatchObject({ ...said, reference: { why: "it was asked for" } })
    const nothing = Object.fromEntries(Object.keys(said).map((field) => [field, null]))
    const taken = await call<typeof plain>("PATCH", "/v1/datasets/said", { json: nothing })
    expect([taken.status, taken.value]).toEqual([200, { ...plain, id: "said", createdAt: made.value.createdAt }])
  })

  it("hold a length to the base model's limit, as when a dataset is made; without one it is no longer than that", async () => {
    const detail =
      "maxLength 513 is above the 512 tokens that the base model was made for (max_position_embeddings); lower it, or leave it out"
    await orchestrator.limitRows(512)
    const make = (id: string, said: object) =>
      post<Problem>("/v1/datasets", { id, referenceModel: { name: "tiny" }, ...said })
    for (const reference of [{}, { place: "runner" }]) {
      expect((await make("new", { maxLength: 513, reference })).value).toMatchObject({ status: 422, detail })
      await change({ reference })
      expect((await change<Problem>({ maxLength: 513 })).value).toMatchObject({ status: 422, detail })
    }
    expect((await make("longest", { maxLength: 512 })).value).toMatchObject({ maxLength: 512 })
    expect((await make("without", {})).value).toMatchObject({ maxLength: 512 })
    expect((await change({ maxLength: 512 })).value).toMatchObject({ maxLength: 512 })
    expect((await change({ maxLength: null, retrainThreshold: 3 })).value).toMatchObject({ maxLength: 512 })
    const config = await make("other", { retrainConfig: { maxLength: 513 } })
    expect(config.value).toMatchObject({ status: 422, detail: expect.stringMatching(/above the dataset's 512/) })
  })

  it("are held to each other as they will be: a configuration that is taken away stands in no way", async () => {
    await change({ maxLength: 512, retrainConfig: { maxLength: 512 } })
    const refused = await change<Problem>({ maxLength: 256 })
    expect([refused.status, refused.value.detail]).toEqual([422, expect.stringMatching(/above the dataset's 256/)])
    const taken = await change({ maxLength: 256, retrainConfig: null })
    expect(taken).toMatchObject({ status: 200, value: { maxLength: 256, retrainConfig: {} } })
  })

  it("are refused whole where one of them cannot be, and what pairs are made with cannot be changed", async () => {
    const before = (await call("GET", `/v1/datasets/${DATASET}`)).text
    const unusable = await change<Problem>({ retrainThreshold: 9, retrainConfig: { maxLength: 4096 } })
    expect([unusable.status, unusable.value.detail]).toEqual([422, expect.stringMatching(/^retrainConfig: maxLength/)])
    for (const body of [
      { promptForm: "text" },
      { maxLength: 1 },
      { splitVotes: "all" },
      { retrainThreshold: 0 },
      { referenceModel: { name: "x" } },
      [],
    ])
      expect((await change(body)).status).toBe(400)
    expect((await change({ retrainThreshold: 9 }, await makeKey("ingest"))).status).toBe(403)
    expect((await call("PATCH", "/v1/datasets/none", { json: {} })).status).toBe(404)
    expect((await call("GET", `/v1/datasets/${DATASET}`)).text).toBe(before)
  })
})

describe("a webhook endpoint that is deleted", () => {
  it("takes nothing any more and is listed no more; what came through it stays", async () => {
    const [endpoint, other] = [await makeEndpoint("label-studio"), await makeEndpoint("label-studio")]
    const path = `/v1/datasets/${DATASET}/webhooks`
    await deliverPlain(endpoint, labelStudioEvent())
    for (let time = 0; time < 2; time++) expect((await call("DELETE", `${path}/${endpoint.id}`)).status).toBe(204)
    expect((await deliverPlain(endpoint, labelStudioEvent({ id: 18 }))).status).toBe(404)
    expect((await call<{ items: { id: string }[] }>("GET", path)).value.items.map(({ id }) => id)).toEqual([other.id])
    expect((await post(`${path}/${endpoint.id}/rotate`, undefined)).status).toBe(404)
    expect((await call("PUT", `/v1/webhooks/${endpoint.id}/mapping`, { json: {} })).status).toBe(404)
    expect(await rows("SELECT status FROM comparisons")).toEqual([{ status: "received" }])
    expect(await rows(`SELECT secrets FROM webhook_endpoints WHERE id = '${endpoint.id}'`)).toEqual([{ secrets: "[]" }])
    expect((await deliverPlain(other, labelStudioEvent())).value).toEqual({ status: "accepted" })
  })

  it("is deleted by an admin, and of its own dataset", async () => {
    const endpoint = await makeEndpoint("label-studio")
    await post("/v1/datasets", { id: "other", referenceModel: { name: "tiny" } })
    const path = `/v1/datasets/${DATASET}/webhooks/${endpoint.id}`
    expect((await call("DELETE", path, { key: await makeKey("train") })).status).toBe(403)
    expect((await call("DELETE", `/v1/datasets/other/webhooks/${endpoint.id}`)).status).toBe(404)
    expect((await deliverPlain(endpoint, labelStudioEvent())).status).toBe(202)
  })
})

it("keys are listed without their secrets, a page at a time, revoked ones too", async () => {
  const made = []
  for (const label of ["one", "two", "three"])
    made.push((await post<{ id: string; key: string }>("/v1/keys", { label, scopes: ["read"] })).value)
  await call("DELETE", `/v1/keys/${made[1]!.id}`)
  interface Listed {
    readonly items: readonly { readonly id: string; readonly revokedAt?: number }[]
    readonly nextCursor?: string
  }
  const first = await call<Listed>("GET", "/v1/keys?limit=2")
  const second = await call<Listed>("GET", `/v1/keys?limit=2&cursor=${first.value.nextCursor}`)
  const items = [...first.value.items, ...second.value.items]
  expect(items.map(({ id }) => id).toSorted()).toEqual(made.map(({ id }) => id).toSorted())
  expect(items.filter(({ revokedAt }) => revokedAt !== undefined).map(({ id }) => id)).toEqual([made[1]!.id])
  expect(second.value.nextCursor).toBeUndefined()
  expect(first.text + second.text).not.toMatch(/yhk_|secret/)
  expect((await call("GET", "/v1/keys", { key: await makeKey("read") })).status).toBe(403)
})

it("an answer is remembered for a week, then its key may be used again", async () => {
  const path = `/v1/datasets/${DATASET}/comparisons`
  const [old, young] = [newKey(), newKey()]
  for (const idempotencyKey of [old, young]) await post(path, comparison(idempotencyKey), { idempotencyKey })
  const age = (key: string, ms: number) =>
    bindings.DB.prepare("UPDATE idempotency SET created_at = ? WHERE idempotency_key = ?")
      .bind(Date.now() - ms, key)
      .run()
  const week = 7 * 24 * 3_600_000
  await age(old, week + 60_000)
  await age(young, week - 60_000)
  await forgetOldAnswers(bindings.DB, Date.now())
  const left = await rows<{ idempotency_key: string }>("SELECT idempotency_key FROM idempotency")
  expect(left.map(({ idempotency_key: key }) => key)).not.toContain(old)
  expect(left.map(({ idempotency_key: key }) => key)).toContain(young)
  expect((await post<{ status: string }>(path, comparison(old), { idempotencyKey: old })).value.status).toBe(
    "duplicate",
  )
})
