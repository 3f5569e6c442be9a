// Every request that /openapi.json shows, sent as it is shown to the gateway: it gets the documented status, and a body that the
// documented schema allows. Put in place of what is shown is only what nobody can know beforehand: ids that the service gives,
// signatures, and the time of a delivery.
import { type Schema, Validator } from "@cfworker/json-schema"
import { Webhook } from "standardwebhooks"
import { beforeAll, describe, expect, it } from "vitest"
import { deliverPlain, type Endpoint, makeEndpoint } from "./deliveries.ts"
import { type Answer, bindings, call, newKey, octets, orchestrator, post, startWorld } from "./world.ts"

interface Media {
  readonly schema: Schema
  readonly example?: unknown
}

interface Operation {
  readonly operationId: string
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly example?: unknown }[]
  readonly security: readonly unknown[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>
}

interface Documented {
  readonly path: string
  readonly method: string
  readonly operation: Operation
}

/** What is sent instead of what is shown. */
interface Instead {
  /** Of parameters, by name. */
  readonly values?: Readonly<Record<string, string>>
  readonly body?: (shown: object) => object
  readonly signature?: (body: string) => Readonly<Record<string, string>>
}

const JOB = {
  jobId: "job-1",
  leaseMs: 60_000,
  heartbeatMs: 15_000,
  attempt: 1,
  spec: { kind: "train", runId: "run-1", base: {}, pack: "0".repeat(64), config: {} },
}

let document: { readonly paths: Record<string, Record<string, Operation>>; readonly components: object }
let labelStudio: Endpoint
let argilla: Endpoint
let retrain: Endpoint
const sent = new Set<string>()

const documented = (id: string): Documented => {
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(methods))
      if (operation.operationId === id) return { path, method, operation }
  throw new Error(`the document has no ${id}`)
}

const signedBy =
  ({ secret }: Endpoint) =>
  (body: string) => {
    const id = newKey()
    const now = new Date()
    return {
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
      "webhook-signature": new Webhook(secret).sign(id, now, body),
    }
  }

/** The body of the request as it goes over the wire, and its type. */
const bodyOf = ({ requestBody }: Operation, change: Instead["body"]): { type: string; text: string } | undefined => {
  const [type, media] = Object.entries(requestBody?.content ?? {})[0] ?? []
  if (type === undefined || media === undefined) return undefined
  if (typeof media.example === "string") return { type, text: media.example }
  const shown = media.example as object
  return { type, text: JSON.stringify(change === undefined ? shown : change(shown)) }
}

const send = ({ path, method, operation }: Documented, instead: Instead): Promise<Answer<unknown>> => {
  const body = bodyOf(operation, instead.body)
  const query = new URLSearchParams()
  const headers: Record<string, string> = {}
  let target = path
  for (const { name, in: place, example } of operation.parameters) {
    const value = instead.values?.[name] ?? example
    if (value === undefined) continue
    if (place === "path") target = target.replace(`{${name}}`, String(value))
    else if (place === "query") query.set(name, String(value))
    else headers[name] = name === "idempotency-key" ? newKey() : String(value)
  }
  if (body !== undefined) Object.assign(headers, octets(body.text.length), { "content-type": body.type })
  return call(method.toUpperCase(), query.size === 0 ? target : `${target}?${query}`, {
    headers: { ...headers, ...instead.signature?.(body?.text ?? "") },
    ...(body === undefined ? {} : { raw: body.text }),
    ...(operation.security.length === 0 ? { key: null } : {}),
  })
}

/** Sends what the document shows of an operation; resolves to the answer, whose status and body are as documented. */
const showing = async <A = unknown>(id: string, instead: Instead = {}): Promise<A> => {
  const found = documented(id)
  const answer = await send(found, instead)
  const [status, { content = {} }] = Object.entries(found.operation.responses).find(([code]) => Number(code) < 400)!
  expect(answer.status, `${id}: ${answer.text}`).toBe(Number(status))
  const type = answer.headers.get("content-type")?.split(";")[0] ?? ""
  if (Object.keys(content).length > 0) expect(Object.keys(content), id).toContain(type)
  const schema = content["application/json"]?.schema
  if (schema !== undefined) expect(faultsOf(schema, answer.value), `${id}: ${answer.text}`).toEqual([])
  sent.add(id)
  return answer.value as A
}

const faultsOf = (schema: Schema, value: unknown): string[] =>
  new Validator({ ...schema, components: document.components } as Schema, "2020-12", false)
    .validate(value)
    .errors.map(({ instanceLocation, error }) => `${instanceLocation} ${error}`)

/** The base model is there; the dataset is made by its own example. */
beforeAll(async () => {
  await startWorld()
  await bindings.DB.exec("DELETE FROM datasets")
  document = (await call<typeof document>("GET", "/openapi.json", { key: null })).value
})

describe("the requests that /openapi.json shows", () => {
  it("tell of the service and of keys", async () => {
    await showing("status.index")
    await showing("status.health")
    await showing("status.status")
    const { id } = await showing<{ id: string }>("keys.create")
    expect(await showing("keys.list")).toMatchObject({ items: [{ id }] })
    await showing("keys.revoke", { values: { id } })
  })

  it("store a file in parts", async () => {
    const { uploadId } = await showing<{ uploadId: string }>("uploads.begin")
    for (const name of ["get", "putPart", "complete"]) await showing(`uploads.${name}`, { values: { uploadId } })
  })

  it("store files, register a base model and move its channels", async () => {
    await showing("models.putBlob")
    await showing("models.getBlob")
    await showing("models.create")
    await showing("models.list")
    await post("/v1/models/my-base/channels/production", { version: 1 })
    await showing("models.moveChannel")
    await showing("models.get")
    await showing("models.rollback")
  })

  it("make a dataset and its webhook endpoints", async () => {
    await showing("datasets.create")
    await showing("datasets.change")
    await showing("datasets.list")
    await showing("datasets.get")
    const { id } = await showing<Endpoint>("datasets.createWebhook")
    await showing("datasets.listWebhooks")
    await showing("datasets.rotateWebhook", { values: { endpointId: id } })
    await showing("datasets.deleteWebhook", { values: { endpointId: id } })
  })

  it("bring in comparisons, and list what is stored", async () => {
    await showing("comparisons.create")
    await showing("comparisons.createMany")
    expect(await showing<object>("comparisons.list")).toMatchObject({ items: [{}, {}] })
    expect(await showing<object>("comparisons.retract")).toEqual({ retracted: 1 })
    await showing("comparisons.replay")
    await showing("comparisons.listPairs")
  })

  it("deliver what labelling tools send, and take it again", async () => {
    labelStudio = await makeEndpoint("label-studio")
    argilla = await makeEndpoint("argilla")
    retrain = await makeEndpoint("retrain")
    const values = { endpointId: labelStudio.id, "x-yohaku-secret": labelStudio.secret }
    expect(await showing("webhooks.labelStudio", { values })).toEqual({ status: "accepted" })
    const body = (shown: object) => ({ ...shown, timestamp: new Date().toISOString() })
    const byArgilla = { values: { endpointId: argilla.id }, body, signature: signedBy(argilla) }
    expect(await showing("webhooks.argilla", byArgilla)).toEqual({ status: "accepted" })
    await showing("webhooks.retrain", { values: { endpointId: retrain.id }, signature: signedBy(retrain) })
    await deliverPlain(labelStudio, { action: "TASKS_CREATED" })
    await showing("deliveries.list", { values: { ...values, status: "ignored" } })
    await showing("deliveries.deliver", { values })
    await showing("deliveries.changeMapping", { values })
    await showing("deliveries.replay", { values })
  })

  it("start a run, follow it and cancel it", async () => {
    const { runId: id } = await showing<{ runId: string }>("runs.create")
    for (const operation of ["runs.get", "runs.cancel"]) await showing(operation, { values: { id } })
    await showing("runs.metrics", { values: { id: "run-1" } })
    await showing("runs.list")
    await showing("runs.trigger")
  })

  it("evaluate a model, and follow that", async () => {
    const { evaluationId: id } = await showing<{ evaluationId: string }>("evaluations.create")
    await showing("evaluations.get", { values: { id } })
    await showing("evaluations.list")
    await showing("evaluations.cancel", { values: { id } })
  })

  it("lease a job and hand in what it gives", async () => {
    await orchestrator.offer(JOB)
    expect(await showing("runner.lease")).toMatchObject({ job: { jobId: "job-1", fencingToken: 1 } })
    for (const name of ["heartbeat", "metrics", "scores", "keep", "kept", "putArtefact", "complete", "fail"])
      await showing(`runner.${name}`)
  })

  it("delete the dataset", () => showing("datasets.remove"))

  it("are of every operation", () => {
    const all = Object.values(document.paths).flatMap((methods) => Object.values(methods))
    expect([...sent].toSorted()).toEqual(all.map(({ operationId }) => operationId).toSorted())
  })

  it("would be found out where an answer is not as documented", () => {
    const { content } = documented("comparisons.create").operation.responses[202]!
    const { schema } = content!["application/json"]!
    expect(faultsOf(schema, { id: "x", status: "accepted" })).toEqual([])
    expect(faultsOf(schema, { id: 1, status: "accepted" })).not.toEqual([])
    expect(faultsOf(schema, { id: "x", status: "accepted", more: 1 })).not.toEqual([])
  })
})
