import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Clock, Effect, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { describe, expect, it } from "vitest"
import { makeApiClient } from "#gpu-runner/client/ApiClient.ts"
import {
  CallRefused,
  GatewayUnavailable,
  OnAway,
  patiently,
  toCallFailure,
  whenReachable,
} from "#gpu-runner/client/call-failure.ts"
import { postPatiently, putBytes } from "#gpu-runner/client/patient-call.ts"
import { causeInWords } from "#gpu-runner/data/network-cause.ts"

describe("a failed call", () => {
  it.each([400, 401, 404, 428, 430, 499])("answered with %i is refused", (status) => {
    expect(toCallFailure({ status, detail: "send a key" })).toEqual(new CallRefused({ status, message: "send a key" }))
  })

  it.each([undefined, 399, 429, 500, 503])("answered with %s may pass", (status) => {
    expect(toCallFailure({ status, title: "away" })).toEqual(new GatewayUnavailable({ message: "away" }))
  })

  it("that the client would not send is refused: trying again sends it no sooner", () => {
    const fault = Effect.runSync(Effect.flip(Schema.decodeUnknownEffect(Schema.Literal("chat"))("text")))
    expect(toCallFailure(fault)).toEqual(new CallRefused({ status: 400, message: fault.message }))
  })

  it("has the status of the response that the client could not read", () => {
    expect(toCallFailure({ message: "no JSON", response: { status: 413 } })).toEqual(
      new CallRefused({ status: 413, message: "no JSON" }),
    )
    expect(toCallFailure({})).toEqual(new GatewayUnavailable({ message: "no explanation" }))
  })

  it("is repeated while the gateway is away, and not where it refuses", async () => {
    const failures = [new GatewayUnavailable({ message: "503" }), new CallRefused({ status: 404, message: "no blob" })]
    let calls = 0
    const call = Effect.suspend(() => Effect.fail(failures[calls++]!))
    expect(await Effect.runPromise(Effect.flip(whenReachable(call)))).toEqual(failures[1])
    expect(calls).toBe(2)
    const told: string[] = []
    calls = 0
    await Effect.runPromise(
      Effect.flip(whenReachable(call)).pipe(Effect.provideService(OnAway, (why) => void told.push(why))),
    )
    expect(told).toEqual(["503"])
  })
})

/** Answers no request; `url` is refused once it is closed. */
const silentServer = async () => {
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return { port, url: `http://127.0.0.1:${port}`, close }
}

describe("a gateway that is dead", () => {
  const list = (url: string) =>
    Effect.flatMap(makeApiClient({ url, token: "key" }), (client) => client.datasets.list({ query: {} })).pipe(
      Effect.provide(FetchHttpClient.layer),
    )

  it("is named with the cause, whichever client calls", async () => {
    const { port, url, close } = await silentServer()
    await close()
    const why = `connection refused (127.0.0.1:${port})`
    for (const call of [list(url), postPatiently({ url, token: "key" }, "/v1/uploads/1/complete")]) {
      expect(await Effect.runPromise(Effect.flip(Effect.mapError(call, toCallFailure)))).toEqual(
        new GatewayUnavailable({ message: why }),
      )
    }
    const several = new Error("", { cause: { errors: [{ code: "ECONNREFUSED", address: "::1", port: 8 }] } })
    expect(causeInWords(several)).toBe("connection refused (::1:8)")
    expect(causeInWords({ code: "ENOTFOUND", hostname: "no.where" })).toBe("no such host (no.where)")
    expect(causeInWords(new TypeError("fetch failed"))).toBe("fetch failed")
  })

  it("is not one that is still being sent to: its silence counts from the last byte that left", async () => {
    const told: string[] = []
    const seen: number[] = []
    let sentMs = 0
    const watching = Effect.gen(function* () {
      yield* Effect.forkChild(patiently(Effect.never, { sentMs: () => sentMs }))
      for (let second = 1; second <= 50; second++) {
        yield* TestClock.adjust("1 second")
        if (second <= 20) sentMs = yield* Clock.currentTimeMillis
        while (seen.length < told.length) seen.push(second)
      }
    })
    const tell = Effect.provideService(OnAway, (why: string) => void told.push(why))
    await Effect.runPromise(watching.pipe(tell, Effect.provide(TestClock.layer())))
    expect([seen, new Set(told)]).toEqual([[35, 50], new Set(["no answer for more than 15 s"])])
  })

  it("that takes calls and answers none is told of while they wait, and given up after the time that there is", async () => {
    const { url, close } = await silentServer()
    const told: string[] = []
    const tell = Effect.provideService(OnAway, (why: string) => void told.push(why))
    try {
      const waiting = patiently(list(url), { silentMs: 10 }).pipe(Effect.timeoutOption(200), tell)
      await Effect.runPromise(waiting)
      expect(told.length).toBeGreaterThan(2)
      expect(new Set(told)).toEqual(new Set(["no answer for more than 0.01 s"]))
      const bounded = postPatiently({ url, token: "key" }, "/v1/uploads/1/complete", {}, 60)
      expect(await Effect.runPromise(Effect.flip(bounded))).toEqual(
        new GatewayUnavailable({ message: "no answer within 0.001 minutes" }),
      )
    } finally {
      await close()
    }
  })
})

describe("bytes that are put", () => {
  it("arrive as they are, and each piece of them that has left is told of", async () => {
    const body = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251)
    const arrived: { line: string; type?: string | undefined; bytes: Buffer }[] = []
    const server = createServer(async (incoming, response) => {
      const pieces: Buffer[] = []
      for await (const piece of incoming) pieces.push(piece as Buffer)
      const { method, url, headers } = incoming
      const line = `${method} ${url} ${headers["content-length"]} ${headers.authorization} ${headers["yohaku-job"]}`
      arrived.push({ line, type: headers["content-type"], bytes: Buffer.concat(pieces) })
      response.writeHead(arrived.length === 1 ? 200 : 503).end("{}")
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const gateway = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: "key" }
    let left = 0
    const put = putBytes(gateway, "/v1/uploads/1/parts/2", {
      ...{ headers: { "yohaku-job": "job" }, body },
      onLeft: () => left++,
    })
    try {
      await Effect.runPromise(put)
      const line = "PUT /v1/uploads/1/parts/2 300000 Bearer key job"
      expect(arrived).toEqual([{ line, type: "application/octet-stream", bytes: Buffer.from(body) }])
      expect(left).toBe(5)
      expect(await Effect.runPromise(Effect.flip(put))).toBeInstanceOf(GatewayUnavailable)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })
})
