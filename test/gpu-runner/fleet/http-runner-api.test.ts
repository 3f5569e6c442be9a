import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { HttpResponse, http } from "msw"
import { afterEach, describe, expect, it } from "vitest"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { GATEWAY, leasedJob, sha256, staleLease, standIn, TOKEN, unauthenticated } from "./gateway-stand-in.ts"

let close: () => void = () => undefined
afterEach(() => close())

/** How a call ends where the gateway answers it with this. */
const failureWith = (respond: () => Response, ask: (api: RunnerApi["Service"]) => Effect.Effect<unknown, unknown>) => {
  const { server } = standIn(leasedJob())
  server.listen({ onUnhandledFrame: "error" })
  close = () => server.close()
  server.use(http.all(`${GATEWAY}/v1/*`, respond))
  const call = Effect.gen(function* () {
    return yield* ask(yield* RunnerApi)
  })
  return Effect.runPromise(Effect.flip(call).pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN }))))
}

const heartbeat = (api: RunnerApi["Service"]) => api.heartbeat({ jobId: "job-1", fencingToken: 7 })

describe("a runner's call of the gateway", () => {
  it("under a lease that another runner has by now is LeaseLost", async () => {
    expect(await failureWith(staleLease, heartbeat)).toMatchObject({
      _tag: "LeaseLost",
      jobId: "job-1",
      message: "job-1 was leased again under a higher fencing token",
    })
  })

  it("that the gateway refuses is CallRefused, with its status and words", async () => {
    expect(await failureWith(unauthenticated, heartbeat)).toMatchObject({
      _tag: "CallRefused",
      status: 401,
      message: "send a runner key as a bearer token",
    })
  })

  it.each([
    ["does not answer", () => HttpResponse.error()],
    ["fails with 503", () => new HttpResponse(null, { status: 503 })],
    ["asks to be called less often", () => new HttpResponse(null, { status: 429 })],
  ])("of a gateway that %s is GatewayUnavailable", async (_, respond) => {
    expect(await failureWith(respond, heartbeat)).toMatchObject({ _tag: "GatewayUnavailable" })
    close()
    expect(
      await failureWith(respond, (api) => api.download(sha256("pack"), path.join(tmpdir(), "yohaku-never"))),
    ).toMatchObject({ _tag: "GatewayUnavailable" })
  })
})
