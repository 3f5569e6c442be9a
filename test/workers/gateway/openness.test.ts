// What the API says about itself and its state; and that the typed client, which is derived from it, can use it.

import { exports } from "cloudflare:workers"
import { Effect, Layer, Result } from "effect"
import { FetchHttpClient } from "effect/http"
import { beforeEach, describe, expect, it } from "vitest"
import { makeApiClient } from "#gpu-runner/client/ApiClient.ts"
import { sha256Hex } from "#shared/formats/digest.ts"
import { ADMIN, bindings, call, comparison, DATASET, post, startWorld } from "./world.ts"

beforeEach(startWorld)

interface Operation {
  readonly security?: unknown
  readonly responses: Record<string, { readonly content?: Record<string, unknown> }>
}

describe("the OpenAPI document", () => {
  it("is 3.1, and describes every error as a problem", async () => {
    const { value } = await call<{ openapi: string; paths: Record<string, Record<string, Operation>> }>(
      "GET",
      "/openapi.json",
      {
        key: null,
      },
    )
    expect(value.openapi).toBe("3.1.0")
    const operations = Object.entries(value.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
    )
    expect(operations).toHaveLength(58)
    for (const { name, operation } of operations)
      for (const [status, { content }] of Object.entries(operation.responses))
        if (Number(status) >= 400)
          expect(Object.keys(content ?? {}), `${name} ${status}`).toEqual(["application/problem+json"])
  })

  it("needs a key for everything but the first page, health and the signed webhooks", async () => {
    const { value } = await call<{ paths: Record<string, Record<string, Operation>> }>("GET", "/openapi.json")
    const open = Object.entries(value.paths)
      .flatMap(([path, methods]) => Object.values(methods).map((operation) => ({ path, operation })))
      .filter(({ operation }) => !JSON.stringify(operation.security ?? []).includes("bearer"))
    expect(open.map(({ path }) => path).toSorted()).toEqual([
      "/",
      "/healthz",
      "/v1/webhooks/argilla/{endpointId}",
      "/v1/webhooks/label-studio/{endpointId}",
      "/v1/webhooks/retrain/{endpointId}",
    ])
  })

  it("names no route that answers without a key", async () => {
    const { value } = await call<{ paths: Record<string, Record<string, Operation>> }>("GET", "/openapi.json")
    for (const [path, methods] of Object.entries(value.paths))
      for (const [method, operation] of Object.entries(methods)) {
        if (!JSON.stringify(operation.security ?? []).includes("bearer")) continue
        const url = path.replaceAll(/\{\w+\}/g, "x")
        expect((await call(method.toUpperCase(), url, { key: null })).status, `${method} ${path}`).toBe(401)
      }
  })
})

describe("the status", () => {
  it("counts what is stored, what waits and what the scorer did", async () => {
    await post(`/v1/datasets/${DATASET}/comparisons`, comparison("row-1"))
    await bindings.DB.prepare("INSERT INTO scorer_counters (name, value) VALUES ('sessions_opened', 2)").run()
    const { value } = await call("GET", "/v1/status")
    expect(value).toEqual({
      datasets: 1,
      comparisons: { received: 1 },
      pairs: {},
      runs: {},
      evaluations: {},
      models: 1,
      outbox: { waiting: 1, unsent: expect.any(Number), oldestAgeMs: expect.any(Number) },
      scorer: { sessions_opened: 2 },
      sweeps: {},
    })
    expect((await call("GET", `/v1/datasets/${DATASET}`)).value).toMatchObject({
      id: DATASET,
      referenceModel: { name: "tiny", version: 1 },
      maxLength: 1024,
      counts: { comparisons: { received: 1 }, pairs: {}, waiting: 1 },
    })
  })

  it("of health is open to everyone", async () => {
    expect((await call("GET", "/healthz", { key: null })).value).toEqual({ status: "ok" })
  })

  it("lists datasets page by page", async () => {
    for (const id of ["b", "c"])
      await post("/v1/datasets", { id, referenceModel: { name: "tiny" }, retrainThreshold: 5 })
    const first = await call<{ items: { id: string }[]; nextCursor: string }>("GET", "/v1/datasets?limit=2")
    const second = await call<{ items: { id: string }[] }>(
      "GET",
      `/v1/datasets?limit=2&cursor=${first.value.nextCursor}`,
    )
    expect([...first.value.items, ...second.value.items].map(({ id }) => id)).toEqual([DATASET, "b", "c"])
  })
})

describe("the typed client", () => {
  const gateway = (exports as unknown as { readonly default: Fetcher }).default
  const http = FetchHttpClient.layer.pipe(
    Layer.provide(
      Layer.succeed(FetchHttpClient.Fetch, ((input: RequestInfo, init?: RequestInit) =>
        gateway.fetch(input, init)) as never),
    ),
  )
  const client = (token: string) => makeApiClient({ url: "https://gateway.test", token })
  const run = <A, E>(effect: Effect.Effect<A, E, import("effect/http").HttpClient.HttpClient>) =>
    Effect.runPromise(effect.pipe(Effect.provide(http), Effect.result))

  it("uploads bytes, sends NDJSON and reads the answers as values", async () => {
    const bytes = new TextEncoder().encode("content")
    const digest = await sha256Hex(bytes)
    const done = await run(
      Effect.gen(function* () {
        const api = yield* client(ADMIN)
        const stored = yield* api.models.putBlob({ params: { digest }, payload: bytes })
        const back = yield* api.models.getBlob({ params: { digest } })
        const report = yield* api.comparisons.createMany({
          params: { id: DATASET },
          query: {},
          headers: { "idempotency-key": "bulk" },
          payload: new TextEncoder().encode(JSON.stringify(comparison("row-1"))),
        })
        const { items } = yield* api.comparisons.list({ params: { id: DATASET }, query: { limit: 10 } })
        return { stored, back: new TextDecoder().decode(back), report, items: items.length }
      }),
    )
    expect(Result.getOrThrow(done)).toEqual({
      stored: { digest, bytes: 7, created: true },
      back: "content",
      report: { accepted: 1, duplicates: 0, rejectedLines: 0, rejected: [] },
      items: 1,
    })
  })

  it("gives problems as errors with their tags and words", async () => {
    const missing = await run(Effect.flatMap(client(ADMIN), (api) => api.datasets.get({ params: { id: "nowhere" } })))
    const refused = await run(Effect.flatMap(client("wrong"), (api) => api.status.status()))
    expect(Result.isFailure(missing) && missing.failure).toMatchObject({ _tag: "DatasetNotFound", status: 404 })
    expect(Result.isFailure(refused) && refused.failure).toMatchObject({ _tag: "Unauthenticated", status: 401 })
  })
})
