// The gateway as a client sees it, over its real bindings; and what a test must see behind it.
import { applyD1Migrations, type D1Migration, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test"
import { env, exports } from "cloudflare:workers"
import type { Scope } from "#shared/domain/ApiKey.ts"
import { EDGE_GRAPH, missingOfModel } from "#shared/domain/Model.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import type { Comparison } from "#shared/judgement/Comparison.ts"
import type { Bindings } from "#workers/gateway/Environment.ts"
import { emptyStores } from "../empty-stores.ts"

interface OrchestratorControl {
  reset(): Promise<void>
  offer(job: unknown): Promise<void>
  endRuns(end: { readonly status: string; readonly error: string }): Promise<void>
  nameRuns(name: string): Promise<void>
  limitRows(maxPositions: number): Promise<void>
  failNext(failure: "throw" | "Unavailable" | "Invalid" | "Conflict" | "NotFound" | "StaleLease"): Promise<void>
  calls(): Promise<[string, Record<string, unknown>][]>
}

export const bindings = env as unknown as Bindings & {
  readonly MIGRATIONS: D1Migration[]
  readonly CONSUMER: { take(): Promise<string[]> }
}
export const orchestrator = bindings.ORCHESTRATOR as unknown as OrchestratorControl
/** A new stub each time: a reset breaks those that exist. */
export const relay = () => bindings.OUTBOX_RELAY.getByName("relay")

export const ADMIN = "yhk_test_admin_key"
export const DATASET = "support"
const MODEL = "tiny"

export interface Problem {
  readonly type: string
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly reason?: string
  readonly errors?: readonly { readonly path: readonly (string | number)[]; readonly message: string }[]
}

export interface Answer<A> {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly value: A
}

export interface Options {
  readonly key?: string | null
  readonly idempotencyKey?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is. */
  readonly raw?: BodyInit
}

const gateway = (exports as unknown as { readonly default: Fetcher }).default

/** One request through the worker's own entry. */
export const call = async <A = unknown>(method: string, path: string, options: Options = {}): Promise<Answer<A>> => {
  const headers = new Headers(options.headers)
  if (options.key !== null) headers.set("authorization", `Bearer ${options.key ?? ADMIN}`)
  if (options.idempotencyKey !== undefined) headers.set("idempotency-key", options.idempotencyKey)
  if (options.json !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json")
  const body = options.raw ?? (options.json === undefined ? undefined : JSON.stringify(options.json))
  const request = { method, headers, ...(body === undefined ? {} : { body }) }
  const response = await gateway.fetch(`https://gateway.test${path}`, request)
  const text = await response.text()
  const isJson = /[/+]json$/.test(response.headers.get("content-type")?.split(";")[0] ?? "")
  return {
    status: response.status,
    headers: response.headers,
    text,
    value: (isJson && text !== "" ? JSON.parse(text) : null) as A,
  }
}

let counter = 0
export const newKey = (): string => `key-${++counter}`

/** A POST of JSON under a new Idempotency-Key. */
export const post = <A = unknown>(path: string, json: unknown, options: Options = {}): Promise<Answer<A>> =>
  call<A>("POST", path, { idempotencyKey: newKey(), json, ...options })

export const makeKey = async (...scopes: readonly Scope[]): Promise<string> =>
  (await post<{ key: string }>("/v1/keys", { label: "a test's", scopes })).value.key

/** Uploads bytes; resolves to their digest. */
export const putBlob = async (content: string): Promise<string> => {
  const bytes = new TextEncoder().encode(content)
  const digest = await sha256Hex(bytes)
  const answer = await call("PUT", `/v1/blobs/${digest}`, { raw: bytes, headers: octets(bytes.length) })
  if (answer.status !== 200) throw new Error(answer.text)
  return digest
}

export const octets = (length: number): Record<string, string> => ({
  "content-type": "application/octet-stream",
  "content-length": String(length),
})

/** A body whose length nobody can know beforehand. */
export const unsized = (text: string): ReadableStream<Uint8Array> => {
  let isSent = false
  return new ReadableStream({
    pull(controller) {
      if (isSent) return controller.close()
      controller.enqueue(new TextEncoder().encode(text))
      isSent = true
    },
  })
}

export const BASE_MODEL_FILES = [...missingOfModel({}), EDGE_GRAPH]

export const baseModelFiles = async (names: readonly string[] = BASE_MODEL_FILES): Promise<Record<string, string>> =>
  Object.fromEntries(await Promise.all(names.map(async (name) => [name, await putBlob(`content of ${name}`)])))

/** Empty stores, a registered base model and one dataset. A set-up that fails says so here, not as a later test's answer. */
export const startWorld = async (): Promise<void> => {
  await emptyStores(bindings.DB)
  await orchestrator.reset()
  await bindings.CONSUMER.take()
  await applyD1Migrations(bindings.DB, bindings.MIGRATIONS)
  const model = await post("/v1/models", { name: MODEL, kind: "base", files: await baseModelFiles() })
  const dataset = await post("/v1/datasets", { id: DATASET, referenceModel: { name: MODEL } })
  for (const { status, text } of [model, dataset]) if (status !== 201) throw new Error(`set-up: ${status} ${text}`)
}

export const comparison = (externalId: string, changes: Partial<Comparison> = {}): Comparison => ({
  externalId,
  prompt: "Why is tea hot?",
  candidates: [
    { id: "a", response: "Because the water was heated." },
    { id: "b", response: "It is not." },
  ],
  judgement: { kind: "choice", winner: "a" },
  ...changes,
})

export const rows = async <Row = Record<string, unknown>>(sql: string): Promise<Row[]> =>
  (await bindings.DB.prepare(sql).all<Row>()).results

export const countOf = async (table: string): Promise<number> =>
  (await rows<{ count: number }>(`SELECT count(*) AS count FROM ${table}`))[0]!.count

/** How much is stored of judgements that came in. */
export const stored = async () => ({
  comparisons: await countOf("comparisons"),
  outbox: await countOf("outbox"),
  blobs: (await bindings.BLOBS.list({ prefix: "blobs/" })).objects.length,
})

/** Waits until the relay, woken by whatever came in, has sent everything. */
export const relaySettled = async (): Promise<void> => {
  for (let attempt = 0; attempt < 250; attempt++) {
    if ((await rows("SELECT 1 FROM outbox WHERE sent_at IS NULL")).length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error("the relay has not sent everything within five seconds")
}

/** Lets the relay's alarm ring now, once, and not by itself. */
export const ringRelay = async (): Promise<void> => {
  await runInDurableObject(relay(), (_, state) => state.storage.setAlarm(Date.now() + 3_600_000))
  await runDurableObjectAlarm(relay())
}

/** Ids that the queue delivered, once as many as expected have come. */
export const delivered = async (count: number): Promise<string[]> => {
  const ids: string[] = []
  for (let attempt = 0; attempt < 200 && ids.length < count; attempt++) {
    ids.push(...(await bindings.CONSUMER.take()))
    if (ids.length < count) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return ids
}
