import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { HttpResponse, http } from "msw"
import { afterEach, describe, expect, it } from "vitest"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { LIMITS } from "#shared/wire/limits.ts"
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

  it("for a part of a large file, under a lease that another runner has by now, is LeaseLost", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "yohaku-large-"))
    const bytes = LIMITS.leastPartBytes + 5
    const file = { name: "model.safetensors", path: path.join(folder, "weights"), bytes, digest: sha256("weights") }
    writeFileSync(file.path, new Uint8Array(bytes))
    const { server } = standIn(leasedJob())
    server.listen({ onUnhandledFrame: "error" })
    close = () => server.close()
    const seen: (string | null)[][] = []
    const see = ({ headers, url }: Request) =>
      seen.push([new URL(url).pathname, headers.get("yohaku-job"), headers.get("yohaku-fencing-token")])
    server.use(
      http.post(`${GATEWAY}/v1/uploads`, ({ request }) => {
        see(request)
        const open = { status: "open", uploadId: "u", partBytes: LIMITS.leastPartBytes, partCount: 2, parts: [1] }
        return HttpResponse.json({ ...open, digest: file.digest, bytes })
      }),
      http.put(`${GATEWAY}/v1/uploads/u/parts/:number`, ({ request, params }) => {
        see(request)
        return HttpResponse.json({ number: Number(params.number), bytes: 5 })
      }),
      http.post(`${GATEWAY}/v1/uploads/u/complete`, ({ request }) => {
        see(request)
        return staleLease()
      }),
    )
    const arrived: number[] = []
    const upload = Effect.gen(function* () {
      const api = yield* RunnerApi
      yield* api.uploadFile({ jobId: "job-1", fencingToken: 7 }, file, (thereBytes) => arrived.push(thereBytes))
    })
    const layer = layerHttp({ url: GATEWAY, token: TOKEN })
    const failure = await Effect.runPromise(Effect.flip(upload).pipe(Effect.provide(layer)))
    rmSync(folder, { recursive: true })
    expect(failure).toMatchObject({ _tag: "LeaseLost", jobId: "job-1" })
    expect(seen).toEqual(
      ["/v1/uploads", "/v1/uploads/u/parts/2", "/v1/uploads/u/complete"].map((call) => [call, "job-1", "7"]),
    )
    expect(arrived).toEqual([LIMITS.leastPartBytes, bytes])
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
