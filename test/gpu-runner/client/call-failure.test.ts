import { Effect, Schema } from "effect"
import { describe, expect, it } from "vitest"
import { CallRefused, GatewayUnavailable, toCallFailure, whenReachable } from "#gpu-runner/client/call-failure.ts"

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
  })
})
