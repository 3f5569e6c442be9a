// A key that the gateway takes no more: the runner does not wait for it to be taken again, and says how to make another.
import { Effect } from "effect"
import { http } from "msw"
import { afterAll, afterEach, beforeAll, expect, it } from "vitest"
import { UsageError } from "#gpu-runner/cli/command.ts"
import { gatewayUrl, KeyRefused, withKey } from "#gpu-runner/cli/gateway-access.ts"
import { judgeKey } from "#gpu-runner/cli/judge/judge-key.ts"
import { GatewayUnavailable } from "#gpu-runner/client/call-failure.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { type RunnerEvent, runnerLoop } from "#gpu-runner/fleet/runner-loop.ts"
import {
  GATEWAY,
  leasedJob,
  problem,
  standIn,
  TOKEN,
  unauthenticated,
} from "#test/gpu-runner/fleet/gateway-stand-in.ts"

const { server } = standIn(leasedJob())
beforeAll(() => server.listen())
afterEach(() => server.resetHandlers())
afterAll(() => server.close())

const runner = (events: RunnerEvent[]) => {
  const execute = () => Effect.never
  const loop = runnerLoop({ runnerId: "a", adapter: "test", execute, onEvent: (event) => events.push(event) })
  const work = Effect.runPromise(loop.pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN }))))
  return withKey("YOHAKU_RUNNER_TOKEN", "runner", work).catch((error: unknown) => error)
}

const mend = "Make a new one with the scope `runner` (POST /v1/keys with the admin key, docs/api.md#keys-and-scopes)"

it.each([
  [
    "expired or was revoked",
    unauthenticated,
    `it expired, was revoked, or is of another gateway. ${mend} and start again with it. The gateway says: send a runner key as a bearer token`,
  ],
  [
    "lacks the scope",
    () => problem("forbidden", 403, "this needs runner"),
    `it lacks the scope \`runner\`. ${mend} and start again with it. The gateway says: this needs runner`,
  ],
])(
  "a runner whose key %s ends with how to make another, and does not call the gateway away",
  async (_, answer, words) => {
    server.use(http.post(`${GATEWAY}/v1/runner/lease`, answer))
    const events: RunnerEvent[] = []
    const failure = (await runner(events)) as KeyRefused
    expect(failure).toBeInstanceOf(KeyRefused)
    expect(failure.message).toBe(`the gateway refuses the key in YOHAKU_RUNNER_TOKEN: ${words}`)
    expect(events.map(({ _tag }) => _tag)).toEqual(["Waiting"])
  },
)

it("so does one whose key is revoked while it hands a job in", async () => {
  server.use(
    http.post(`${GATEWAY}/v1/runner/jobs/:jobId/heartbeat`, unauthenticated),
    http.post(`${GATEWAY}/v1/runner/lease`, unauthenticated),
  )
  server.use(http.post(`${GATEWAY}/v1/runner/lease`, () => Response.json({ job: leasedJob() }), { once: true }))
  const events: RunnerEvent[] = []
  expect(await runner(events)).toBeInstanceOf(KeyRefused)
  expect(events.map(({ _tag }) => _tag)).toEqual(["Waiting", "Started", "Failed", "Waiting"])
})

it("any other failure is left as it is", async () => {
  const away = new GatewayUnavailable({ message: "503" })
  await expect(withKey("YOHAKU_TOKEN", "ingest", Promise.reject(away))).rejects.toBe(away)
})

it.each([
  "http://user:hidden@a.test/v1",
  "http://hidden@a.test",
  "http://a.test/v1?key=hidden",
  "https://a.test/#hidden",
  "user:hidden@a.test",
])("an address that holds more is refused, and not repeated: %s", (written) => {
  expect(() => gatewayUrl(written)).toThrow(UsageError)
  expect(() => gatewayUrl(written, "YOHAKU_JUDGE_URL")).toThrow(
    /^YOHAKU_JUDGE_URL holds more than an address(?!.*hidden)/,
  )
})

it("an address is taken without slashes at its end", () => {
  expect(gatewayUrl("https://a.test:8080/v1//")).toBe("https://a.test:8080/v1")
})

it.each([
  ["sk-key-1", "sk-key-1"],
  [" sk-key-1\r\n", "sk-key-1"],
  ["", undefined],
  [" \n", undefined],
  [undefined, undefined],
])("a judge's key %j is sent as %j", (written, key) => {
  expect(judgeKey({ YOHAKU_JUDGE_KEY: written })).toBe(key)
})

it.each(["hidden\nkey", "hidden key", "hidden-é", "hidden\0"])("what no header can hold is no key: %j", (written) => {
  expect(() => judgeKey({ YOHAKU_JUDGE_KEY: written })).toThrow(UsageError)
  expect(() => judgeKey({ YOHAKU_JUDGE_KEY: written })).toThrow(/^YOHAKU_JUDGE_KEY holds no key(?!.*hidden)/)
})
