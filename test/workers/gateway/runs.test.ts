import { beforeEach, describe, expect, it } from "vitest"
import { deliverSigned, makeEndpoint } from "./deliveries.ts"
import { bindings, call, DATASET, orchestrator, type Problem, post, rows, startWorld } from "./world.ts"

beforeEach(startWorld)

const NEW = { id: "new", referenceModel: { name: "tiny" } }
const PATH = `/v1/datasets/${DATASET}/runs`

const triggers = async () =>
  (await orchestrator.calls()).filter(([name]) => name === "trigger").map(([, input]) => input)

describe("a run started by the API", () => {
  it("hands the overrides and a key of its own to the orchestrator", async () => {
    const overrides = {
      ...{ config: { beta: 10 }, promotion: "never", modelName: "support-dpo" },
      ...{ limits: { steps: 500, hours: 1.5 }, force: true },
    }
    const answer = await post(PATH, overrides, { idempotencyKey: "k" })
    expect([answer.status, answer.value]).toEqual([202, { runId: "run-1", created: true }])
    expect(answer.headers.get("location")).toBe("/v1/runs/run-1")
    expect(await triggers()).toEqual([{ datasetId: DATASET, trigger: "api", key: "bootstrap:k", ...overrides }])
  })

  it("is one run for one Idempotency-Key, also when the first answer was lost before it was stored", async () => {
    const first = await post(PATH, {}, { idempotencyKey: "k" })
    const again = await post(PATH, {}, { idempotencyKey: "k" })
    expect(again.text).toBe(first.text)
    expect(again.headers.get("location")).toBe("/v1/runs/run-1")
    expect(await triggers()).toHaveLength(1)
    await bindings.DB.prepare("DELETE FROM idempotency").run()
    expect((await post(PATH, {}, { idempotencyKey: "k" })).value).toEqual({ runId: "run-1", created: false })
    expect((await post(PATH, {})).value).toEqual({ runId: "run-2", created: true })
  })

  it("has an address that is one, whatever its id", async () => {
    await orchestrator.nameRuns("a/b ?")
    expect((await post(PATH, {})).headers.get("location")).toBe("/v1/runs/a%2Fb%20%3F1")
  })

  it("is answered as the first time when it is over; how it ended is said where that answer was never stored", async () => {
    const first = await post(PATH, {}, { idempotencyKey: "k" })
    await orchestrator.endRuns({ status: "failed", error: "no memory" })
    expect((await post(PATH, {}, { idempotencyKey: "k" })).text).toBe(first.text)
    await bindings.DB.prepare("DELETE FROM idempotency").run()
    const again = await post(PATH, {}, { idempotencyKey: "k" })
    expect(again.value).toEqual({ runId: "run-1", created: false, status: "failed", error: "no memory" })
  })

  it("is refused with the orchestrator's words when it cannot be started", async () => {
    for (const [failure, status, type] of [
      ["Invalid", 422, "unusable-request"],
      ["NotFound", 404, "not-found"],
    ] as const) {
      await orchestrator.failNext(failure)
      const refused = await post<Problem>(PATH, {})
      expect(refused.value).toMatchObject({
        status,
        type: `urn:yohaku:problem:${type}`,
        detail: `the orchestrator says ${failure}`,
      })
    }
    expect(await rows("SELECT 1 FROM idempotency WHERE body LIKE '%runId%'")).toEqual([])
  })

  it("fails with a 500 where the orchestrator says what no trigger can be told", async () => {
    for (const failure of ["Conflict", "StaleLease"] as const) {
      await orchestrator.failNext(failure)
      const failed = await post<Problem>(PATH, {})
      expect(failed.value).toMatchObject({ status: 500, type: "urn:yohaku:problem:internal-error" })
    }
  })
})

describe("training options", () => {
  it("that are unknown or out of range are refused by their path, for a run and for a dataset", async () => {
    for (const [config, path] of [
      [{ learnigRate: 1 }, "learnigRate"],
      [{ beta: -1 }, "beta"],
      [{ method: "ppo" }, "method"],
    ] as const) {
      const run = await post<Problem>(PATH, { config })
      expect(run.value).toMatchObject({ status: 400, detail: expect.stringContaining(`body.config.${path}`) })
      const dataset = { id: "new", referenceModel: { name: "tiny" }, retrainConfig: config }
      const made = await post<Problem>("/v1/datasets", dataset)
      expect(made.value).toMatchObject({ status: 400, detail: expect.stringContaining(`body.retrainConfig.${path}`) })
    }
    expect(await triggers()).toEqual([])
  })
})

describe("how long a run may take", () => {
  it("is refused beyond what anybody could mean, for a run and for a dataset", async () => {
    for (const [limits, path] of [
      [{ steps: 0 }, "steps"],
      [{ steps: 10_000_001 }, "steps"],
      [{ hours: 0 }, "hours"],
      [{ hours: 481 }, "hours"],
      [{ days: 1 }, "days"],
    ] as const) {
      const run = await post<Problem>(PATH, { limits })
      expect(run.value).toMatchObject({ status: 400, detail: expect.stringContaining(`body.limits.${path}`) })
      const made = await post<Problem>("/v1/datasets", { ...NEW, runLimits: limits })
      expect(made.value).toMatchObject({ status: 400, detail: expect.stringContaining(`body.runLimits.${path}`) })
    }
    expect((await post("/v1/datasets", { ...NEW, quietSeconds: 86_401 })).status).toBe(400)
    expect(await triggers()).toEqual([])
  })

  it("is a dataset's own, and so is the quiet that it waits for", async () => {
    const declared = { runLimits: { hours: 0.5 }, quietSeconds: 60 }
    expect((await post("/v1/datasets", { ...NEW, ...declared })).value).toMatchObject(declared)
    expect((await call("GET", "/v1/datasets/new")).value).toMatchObject(declared)
    const bare = await call<object>("GET", `/v1/datasets/${DATASET}`)
    expect(["runLimits", "quietSeconds"].filter((key) => Object.hasOwn(bare.value, key))).toEqual([])
  })
})

describe("a dataset's training options", () => {
  it("that no run over a pack could use are refused when they are given", async () => {
    for (const [config, message] of [
      [{ loraRank: 0, baseWeights: "nf4" }, "loraRank 0 trains all weights in f32"],
      [{ overflow: "truncate" }, "overflow is for data files"],
      [{ method: "dpo", beta: 2.5 }, "reduces log-probs by sum"],
      [{ maxLength: 1025 }, "maxLength 1025 is above the dataset's 1024"],
    ] as const) {
      const dataset = { id: "new", referenceModel: { name: "tiny" }, retrainConfig: config }
      const made = await post<Problem>("/v1/datasets", dataset)
      expect(made.value).toMatchObject({ status: 422, detail: expect.stringContaining(message) })
    }
  })
})

describe("a run started by webhook", () => {
  it("is one run however often the delivery comes, with the overrides in its data", async () => {
    const endpoint = await makeEndpoint("retrain")
    const payload = { type: "retrain.requested", timestamp: "2026-11-24T09:00:00Z", data: { promotion: "never" } }
    const first = await deliverSigned(endpoint, payload, { id: "msg_a" })
    expect([first.status, first.value]).toEqual([202, { status: "accepted", runId: "run-1" }])
    const again = await deliverSigned(endpoint, payload, { id: "msg_a" })
    expect(again.value).toEqual({ status: "duplicate", runId: "run-1" })
    await orchestrator.endRuns({ status: "failed", error: "no memory" })
    const late = await deliverSigned(endpoint, payload, { id: "msg_a" })
    const reason = "its run is over: failed, no memory"
    expect(late.value).toEqual({ status: "duplicate", runId: "run-1", reason })
    expect((await triggers())[0]).toEqual({
      datasetId: DATASET,
      trigger: "webhook",
      key: `webhook:${endpoint.id}:msg_a`,
      promotion: "never",
    })
  })

  it("is refused when forged or when its data is not understood, and starts nothing", async () => {
    const endpoint = await makeEndpoint("retrain")
    const other = await makeEndpoint("retrain")
    expect((await deliverSigned(endpoint, {}, { secret: other.secret })).status).toBe(401)
    expect((await deliverSigned(endpoint, { data: { promotion: "always" } })).status).toBe(422)
    expect((await deliverSigned(endpoint, { data: { config: { learnigRate: 1 } } })).status).toBe(422)
    expect(await triggers()).toEqual([])
    await orchestrator.failNext("Invalid")
    expect((await deliverSigned(endpoint, {})).value).toMatchObject({
      status: 422,
      detail: "the orchestrator says Invalid",
    })
  })
})

describe("runs", () => {
  const insert = (id: string, datasetId: string, createdAt: number) =>
    bindings.DB.prepare(
      `INSERT INTO runs (id, dataset_id, trigger, method, status, step, detail, created_at, updated_at)
       VALUES (?, ?, 'api', 'dpo', 'succeeded', 'done', '{"snapshot":{"digest":"d","trainPairs":3,"heldOutPairs":1}}', ?, ?)`,
    )
      .bind(id, datasetId, createdAt, createdAt)
      .run()

  it("are listed newest first, page by page, of one dataset where one is named", async () => {
    await post("/v1/datasets", { id: "other", referenceModel: { name: "tiny" } })
    for (let index = 0; index < 5; index++) await insert(`r${index}`, DATASET, 100 + index)
    await insert("r9", "other", 999)
    const ids: string[] = []
    let cursor = ""
    do {
      const page = await call<{ items: { id: string }[]; nextCursor?: string }>(
        "GET",
        `/v1/runs?datasetId=${DATASET}&limit=2${cursor}`,
      )
      ids.push(...page.value.items.map(({ id }) => id))
      cursor = page.value.nextCursor === undefined ? "" : `&cursor=${page.value.nextCursor}`
    } while (cursor !== "")
    expect(ids).toEqual(["r4", "r3", "r2", "r1", "r0"])
    const all = await call<{ items: { id: string; detail: unknown }[] }>("GET", "/v1/runs")
    expect(all.value.items[0]).toMatchObject({ id: "r9", detail: { snapshot: { trainPairs: 3 } } })
  })

  it("are told one by one with their progress, and their metrics as NDJSON", async () => {
    await post(PATH, {})
    expect((await call("GET", "/v1/runs/run-1")).value).toMatchObject({
      status: "running",
      progress: { step: 3, steps: 10 },
    })
    const metrics = await call("GET", "/v1/runs/run-1/metrics")
    expect([metrics.status, metrics.text, metrics.headers.get("content-type")]).toEqual([
      200,
      "",
      "application/x-ndjson",
    ])
    const cancelled = await call("POST", "/v1/runs/run-1/cancel")
    expect([cancelled.status, cancelled.value]).toEqual([200, expect.objectContaining({ status: "cancelled" })])
    expect((await call("GET", `/v1/datasets/${DATASET}/trigger`)).value).toMatchObject({
      state: "waiting",
      threshold: 10,
    })
    expect((await call("POST", "/v1/runs/none/cancel")).status).toBe(404)
    for (const path of ["/v1/runs/none", "/v1/runs/none/metrics"]) {
      const missing = await call<Problem>("GET", path)
      expect(missing.value).toMatchObject({ status: 404, resource: "run" })
    }
  })
})
