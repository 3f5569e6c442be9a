// Evaluations over the API: asked for once under one key, listed and read; and a dataset's, tried before it is kept.
import { beforeEach, expect, it } from "vitest"
import { bindings, call, DATASET, orchestrator, type Problem, post, startWorld } from "./world.ts"

beforeEach(startWorld)

const PATH = "/v1/models/support-dpo/evaluations"
const SETTINGS = { prompts: "a".repeat(64), judge: { model: { name: "support-dpo", version: 1 }, beta: 0.2 } }
const ASKED = { version: 2, ...SETTINGS, against: [{ name: "tiny", version: 1 }], answering: { maxTokens: 64 } }

const asked = async (name: string) =>
  (await orchestrator.calls()).filter(([called]) => called === name).map(([, input]) => input)

it("is one evaluation for one Idempotency-Key, also when the first answer was lost before it was stored", async () => {
  const first = await post(PATH, ASKED, { idempotencyKey: "k" })
  expect([first.status, first.value]).toEqual([202, { evaluationId: "evaluation-1", created: true }])
  expect(first.headers.get("location")).toBe(`${PATH}/evaluation-1`)
  expect(await asked("evaluate")).toEqual([{ modelName: "support-dpo", key: "bootstrap:k", ...ASKED }])
  expect((await post(PATH, ASKED, { idempotencyKey: "k" })).text).toBe(first.text)
  await bindings.DB.prepare("DELETE FROM idempotency").run()
  const lost = await post(PATH, ASKED, { idempotencyKey: "k" })
  expect(lost.value).toEqual({ evaluationId: "evaluation-1", created: false })
})

it("lists a model's evaluations, the newest first, page by page, and none of another model's", async () => {
  for (let count = 0; count < 3; count++) await post(PATH, ASKED)
  await post("/v1/models/other/evaluations", ASKED)
  const page = (query: string) =>
    call<{ items: { id: string; model: object }[]; nextCursor?: string }>("GET", `${PATH}?${query}`)
  const first = (await page("limit=2")).value
  expect(first.items.map(({ id }) => id)).toEqual(["evaluation-3", "evaluation-2"])
  expect(first.items[0]!.model).toEqual({ name: "support-dpo", version: 2 })
  const rest = (await page(`limit=2&cursor=${first.nextCursor}`)).value
  expect([rest.items.map(({ id }) => id), rest.nextCursor]).toEqual([["evaluation-1"], undefined])
})

it("is read by its id, and not under another model's name", async () => {
  await post(PATH, ASKED)
  expect((await call("GET", `${PATH}/evaluation-1`)).value).toMatchObject({ status: "running", step: "judge" })
  const other = await call<Problem>("GET", "/v1/models/other/evaluations/evaluation-1")
  expect([other.status, other.value.type]).toEqual([404, "urn:yohaku:problem:not-found"])
})

it("is cancelled by its id, again if asked again, and not under another model's name", async () => {
  await post(PATH, ASKED)
  for (let time = 0; time < 2; time++) {
    const cancelled = await call("POST", `${PATH}/evaluation-1/cancel`, { idempotencyKey: "once" })
    expect([cancelled.status, cancelled.value]).toEqual([200, expect.objectContaining({ status: "cancelled" })])
  }
  expect(await asked("cancelEvaluation")).toEqual([{ modelName: "support-dpo", id: "evaluation-1" }])
  expect((await call("POST", "/v1/models/other/evaluations/evaluation-1/cancel")).status).toBe(404)
  await orchestrator.failNext("Conflict")
  expect((await call("POST", `${PATH}/evaluation-1/cancel`)).status).toBe(409)
})

it("takes a judge behind an endpoint, by an address that holds nothing secret", async () => {
  const endpoint = { url: "https://judge.example.com/v1", model: "judge-1", price: { prompt: 2, completion: 8 } }
  const judge = { ...endpoint, verdict: "text", budget: { requests: 400, cost: 3.5 } }
  expect((await post(PATH, { ...ASKED, judge })).status).toBe(202)
  expect(await asked("evaluate")).toEqual([expect.objectContaining({ judge })])
  for (const change of [
    { url: "https://user:secret@judge.example.com/v1" },
    { url: "https://judge.example.com/v1?key=secret" },
    { url: "https://judge.example.com/v1/" },
    { url: "ftp://judge.example.com/v1" },
    { apiKey: "secret" },
    { verdict: "five stars" },
    { budget: { requests: 0 } },
    { price: { prompt: -1, completion: 1 } },
    { model: { name: "support-dpo", version: 1 } },
  ])
    expect((await post(PATH, { ...ASKED, judge: { ...judge, ...change } })).status, JSON.stringify(change)).toBe(400)
})

it("says of a judge what is wrong with the kind of judge that was meant", async () => {
  const verdict = { url: "https://judge.example.com/v1", model: "judge-1", verdict: "logprobs" }
  const reward = { ...SETTINGS.judge, rewad: "log-ratio" }
  const unknown = "nothing of that name is known here; leave it out"
  for (const [judge, field, message] of [
    [verdict, "verdict", 'Expected "log-probs" | "text"'],
    [reward, "rewad", unknown],
    [{ ...verdict, verdict: "text", budgt: {} }, "budgt", unknown],
  ] as const) {
    const asked = await post<Problem>(PATH, { ...ASKED, judge })
    expect(asked.value.errors).toEqual([{ path: ["body", "judge", field], message }])
    const kept = await call<Problem>("PATCH", `/v1/datasets/${DATASET}`, {
      json: { evaluation: { ...SETTINGS, judge } },
    })
    expect(kept.value.errors).toEqual([{ path: ["body", "evaluation", "judge", field], message }])
  }
})

it("is refused with the orchestrator's words", async () => {
  for (const [failure, status] of [
    ["NotFound", 404],
    ["Invalid", 422],
    ["Unavailable", 503],
  ] as const) {
    await orchestrator.failNext(failure)
    expect((await post<Problem>(PATH, ASKED)).status, failure).toBe(status)
  }
})

it("refuses what cannot be meant, before anybody is asked", async () => {
  const tiny = { name: "tiny", version: 1 }
  for (const change of [
    { prompts: "suite.jsonl" },
    { against: [] },
    { against: [tiny, tiny, tiny, tiny] },
    { answering: { maxTokens: 5000 } },
    { answering: { temperature: -1 } },
    { judge: { ...SETTINGS.judge, reward: "vibes" } },
  ])
    expect((await post(PATH, { ...ASKED, ...change })).status, JSON.stringify(change)).toBe(400)
  expect(await asked("evaluate")).toEqual([])
})

it("a dataset's evaluation is tried, kept, shown and taken away", async () => {
  const path = `/v1/datasets/${DATASET}`
  await orchestrator.failNext("Invalid")
  const refused = await call<Problem>("PATCH", path, { json: { evaluation: SETTINGS } })
  expect([refused.status, refused.value.detail]).toEqual([422, "evaluation: the orchestrator says Invalid"])
  expect((await call("PATCH", path, { json: { evaluation: SETTINGS } })).value).toMatchObject({ evaluation: SETTINGS })
  expect((await call("GET", path)).value).toMatchObject({ evaluation: SETTINGS })
  expect((await call("PATCH", path, { json: { evaluation: null } })).value).not.toHaveProperty("evaluation")
  const made = await post("/v1/datasets", { id: "new", referenceModel: { name: "tiny" }, evaluation: SETTINGS })
  expect(made.value).toMatchObject({ evaluation: SETTINGS })
  expect(await asked("checkEvaluation")).toHaveLength(3)
})
