import { Effect } from "effect"
import { HttpResponse, http } from "msw"
import { afterEach, describe, expect, it, vi } from "vitest"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { JobFailed } from "#gpu-runner/fleet/job-failure.ts"
import { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { type RunnerEvent, type RunnerOptions, runnerLoop } from "#gpu-runner/fleet/runner-loop.ts"
import type { TrainResult } from "#shared/wire/job.ts"
import { GATEWAY, leasedJob, sha256, staleLease, standIn, TOKEN, unauthenticated } from "./gateway-stand-in.ts"

const RESULT: TrainResult = {
  kind: "train",
  adapter: { "adapter_model.safetensors": sha256("adapter") },
  report: { steps: 3 },
}

let close: () => void = () => undefined
afterEach(() => close())

const gatewayWith = (job = leasedJob()) => {
  const gateway = standIn(job)
  gateway.server.listen({ onUnhandledFrame: "error" })
  close = () => gateway.server.close()
  return gateway
}

const run = async (execute: RunnerOptions<RunnerApi>["execute"]) => {
  const events: RunnerEvent[] = []
  const loop = runnerLoop({
    runnerId: "runner-a",
    adapter: "test adapter",
    execute,
    onEvent: (event) => events.push(event),
    jobs: 1,
  })
  const exit = await Effect.runPromiseExit(loop.pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN }))))
  return { events, tags: events.map(({ _tag }) => _tag), exit }
}

describe("a runner", () => {
  it("does a leased job and hands its result in under the lease's fencing token", async () => {
    const gateway = gatewayWith()
    const { tags } = await run(() => Effect.succeed(RESULT))
    expect(tags).toEqual(["Waiting", "Started", "Finished", "Waiting"])
    const [completed] = gateway.pathsEnding("/complete")
    expect(completed).toMatchObject({ authorization: `Bearer ${TOKEN}`, fencingToken: "7" })
    expect(JSON.parse(completed!.body)).toEqual({ result: RESULT })
  })

  it("beats while it works and carries its progress along", async () => {
    const gateway = gatewayWith()
    const beats = () => gateway.pathsEnding("/heartbeat")
    await run(({ onProgress }) =>
      Effect.sync(() => onProgress({ step: 2, steps: 9 })).pipe(
        Effect.andThen(Effect.promise(() => vi.waitUntil(() => beats().length >= 3, { timeout: 20_000 }))),
        Effect.as(RESULT),
      ),
    )
    expect(JSON.parse(beats().at(-1)!.body)).toEqual({ progress: { step: 2, steps: 9 } })
  })

  it("stops at once when its lease is lost, and hands nothing in", async () => {
    const gateway = gatewayWith()
    gateway.server.use(http.post(`${GATEWAY}/v1/runner/jobs/:jobId/heartbeat`, () => staleLease()))
    let isAborted = false
    const { events } = await run(({ signal }) => {
      signal.addEventListener("abort", () => {
        isAborted = true
      })
      return Effect.never
    })
    expect(isAborted).toBe(true)
    expect(events.find(({ _tag }) => _tag === "Failed")).toMatchObject({
      message: "job-1 was leased again under a higher fencing token",
    })
    expect(gateway.pathsEnding("/complete")).toEqual([])
    expect(gateway.pathsEnding("/fail")).toEqual([])
  })

  it("stops by itself when the run's time is over, though the gateway is away, and hands nothing in", async () => {
    const gateway = gatewayWith(leasedJob({ remainingMs: 150 }))
    gateway.server.use(http.post(`${GATEWAY}/v1/runner/jobs/:jobId/heartbeat`, () => HttpResponse.error()))
    let isAborted = false
    const startedMs = performance.now()
    const { events } = await run(({ signal }) => {
      signal.addEventListener("abort", () => {
        isAborted = true
      })
      return Effect.never
    })
    expect(isAborted).toBe(true)
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(149)
    expect(events.find(({ _tag }) => _tag === "Failed")).toMatchObject({
      message: "the run has taken all the time that it may",
    })
    expect([gateway.pathsEnding("/complete"), gateway.pathsEnding("/fail")]).toEqual([[], []])
  })

  it("stops at once when a heartbeat is refused, in the gateway's words, and hands nothing in", async () => {
    const gateway = gatewayWith()
    gateway.server.use(http.post(`${GATEWAY}/v1/runner/jobs/:jobId/heartbeat`, () => unauthenticated()))
    let isAborted = false
    const { events, tags } = await run(({ signal }) => {
      signal.addEventListener("abort", () => {
        isAborted = true
      })
      return Effect.never
    })
    expect(isAborted).toBe(true)
    expect(tags).toEqual(["Waiting", "Started", "Failed", "Waiting"])
    expect(events[2]).toMatchObject({ message: "send a runner key as a bearer token" })
    expect(gateway.pathsEnding("/complete")).toEqual([])
    expect(gateway.pathsEnding("/fail")).toEqual([])
  })

  it("goes on working while the gateway is away, and hands in when it is back", async () => {
    const gateway = gatewayWith()
    let refusals = 2
    gateway.server.use(
      http.post(`${GATEWAY}/v1/runner/jobs/:jobId/complete`, () => {
        if (refusals-- > 0) return HttpResponse.error()
        return undefined
      }),
      http.post(`${GATEWAY}/v1/runner/jobs/:jobId/heartbeat`, () => new HttpResponse(null, { status: 503 })),
    )
    const { tags } = await run(() => Effect.sleep("100 millis").pipe(Effect.as(RESULT)))
    expect(tags).toEqual(["Waiting", "Started", "Finished", "Waiting"])
    expect(gateway.pathsEnding("/complete")).toHaveLength(1)
  })

  it("sends every step's metrics once, in order, before the result", async () => {
    const gateway = gatewayWith()
    await run(({ onMetrics }) =>
      Effect.sync(() => {
        for (let step = 1; step <= 450; step++) onMetrics(step, { step, loss: 1 / step })
        return RESULT
      }),
    )
    const batches = gateway.pathsEnding("/metrics")
    const steps = batches.flatMap(({ body }) =>
      body
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { step: number }).step),
    )
    expect(steps).toEqual(Array.from({ length: 450 }, (_, index) => index + 1))
    expect(batches.map(({ path }) => path)).toEqual(
      [1, 201, 401].map((step) => `/v1/runner/jobs/job-1/metrics?fromStep=${step}`),
    )
    expect(gateway.seen.findLastIndex(({ path }) => path.includes("/metrics"))).toBeLessThan(
      gateway.seen.findIndex(({ path }) => path.endsWith("/complete")),
    )
  })

  it("reports a failed job with its reason and whether another try may help", async () => {
    const gateway = gatewayWith()
    const { tags } = await run(() => Effect.fail(new JobFailed("the pack is damaged", { retryable: false })))
    expect(tags).toEqual(["Waiting", "Started", "Failed", "Waiting"])
    expect(JSON.parse(gateway.pathsEnding("/fail")[0]!.body)).toEqual({
      error: "the pack is damaged",
      retryable: false,
    })
  })

  it("gives a job that is beyond it to others, with the reason", async () => {
    const gateway = gatewayWith()
    const { tags } = await run(() =>
      Effect.fail(new JobFailed("it needs 16.1 GB", { retryable: false, isBeyondRunner: true })),
    )
    expect(tags).toEqual(["Waiting", "Started", "GivenBack", "Waiting"])
    expect(JSON.parse(gateway.pathsEnding("/fail")[0]!.body)).toEqual({
      ...{ error: "it needs 16.1 GB", retryable: false, isBeyondRunner: true },
    })
  })

  it("ends with the gateway's words when its key is refused", async () => {
    const gateway = gatewayWith()
    gateway.server.use(http.post(`${GATEWAY}/v1/runner/lease`, () => unauthenticated()))
    const { exit } = await run(() => Effect.succeed(RESULT))
    expect(JSON.stringify(exit)).toContain("send a runner key as a bearer token")
    expect(JSON.stringify(exit)).toContain("CallRefused")
  })

  describe("that is stopped while it waits for a job", () => {
    /** Stops a runner whose first call waits; `last` answers what it asks then. */
    const stopWaiting = async (last: () => Response | Promise<Response>) => {
      const gateway = gatewayWith()
      const asked: unknown[] = []
      gateway.server.use(
        http.post(`${GATEWAY}/v1/runner/lease`, async ({ request }) => {
          asked.push(await request.json())
          return asked.length === 1 ? new Promise<Response>(() => undefined) : last()
        }),
      )
      const stop = new AbortController()
      const loop = runnerLoop({
        ...{ runnerId: "runner-a", adapter: "test adapter", execute: () => Effect.never, onEvent: () => undefined },
      })
      const ended = Effect.runPromiseExit(loop.pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN }))), {
        signal: stop.signal,
      })
      await vi.waitUntil(() => asked.length === 1)
      stop.abort()
      await ended
      const runner = { runnerId: "runner-a", adapter: "test adapter" }
      expect(asked).toEqual([
        { ...runner, waitMs: 25_000 },
        { ...runner, waitMs: 0 },
      ])
      return gateway
    }

    it("takes itself out of the line, so that it is given no job any more", async () => {
      const gateway = await stopWaiting(() => HttpResponse.json({ job: null }))
      expect(gateway.seen).toEqual([])
    })

    it("hands on the job that it was given meanwhile", async () => {
      const gateway = await stopWaiting(() => HttpResponse.json({ job: leasedJob() }))
      expect(gateway.seen.map(({ path, fencingToken, body }) => [path, fencingToken, JSON.parse(body)])).toEqual([
        [
          "/v1/runner/jobs/job-1/fail",
          "7",
          { error: "the runner was stopped before it began; another takes the job", retryable: true },
        ],
      ])
    })

    it("ends all the same where the gateway is away, and after five seconds where it does not answer", async () => {
      const startedMs = performance.now()
      await stopWaiting(() => HttpResponse.error())
      expect(performance.now() - startedMs).toBeLessThan(4000)
      close()
      await stopWaiting(() => new Promise<Response>(() => undefined))
      expect(performance.now() - startedMs).toBeLessThan(9500)
    })
  })

  it("names an uploaded artefact by its digest", async () => {
    const gateway = gatewayWith()
    const bytes = new TextEncoder().encode("adapter bytes")
    await run(({ job }) =>
      Effect.gen(function* () {
        const api = yield* RunnerApi
        const digest = yield* api.upload(job, bytes)
        return { ...RESULT, adapter: { "adapter_model.safetensors": digest } }
      }),
    )
    expect(gateway.pathsEnding(`/artefacts/${sha256(bytes)}`)[0]).toMatchObject({
      body: "adapter bytes",
      fencingToken: "7",
    })
  })
})
