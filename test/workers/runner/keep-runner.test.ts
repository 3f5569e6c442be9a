// When the container with a runner starts and ends, on a container that keeps account of what it is told.
import { expect, it } from "vitest"
import { isWorkUnderWay, keepRunner, type RunnerProcess, UNASKED_MS } from "#workers/runner/keep-runner.ts"

const ENVIRONMENT = { YOHAKU_URL: "https://yohaku.example.com", YOHAKU_RUNNER_TOKEN: "a key" }
const STARTED = { env: ENVIRONMENT, enableInternet: true }

/** A container that starts at once and ends at a signal. */
class Container implements RunnerProcess {
  readonly told: unknown[] = []
  running: boolean
  constructor(running: boolean) {
    this.running = running
  }
  start(options: object): void {
    this.running = true
    this.told.push(options)
  }
  signal(signal: number): void {
    this.running = false
    this.told.push(signal)
  }
  async setInactivityTimeout(durationMs: number): Promise<void> {
    this.told.push(durationMs)
  }
}

it("starts a runner when a run is under way, lets it go on, and ends it when none is", async () => {
  const container = new Container(false)
  for (const isNeeded of [false, true, true, false, false]) await keepRunner(container, isNeeded, ENVIRONMENT)
  expect(container.told).toEqual([STARTED, UNASKED_MS, UNASKED_MS, 15])
})

it("starts a runner again that was ended from outside", async () => {
  const container = new Container(true)
  await keepRunner(container, true, ENVIRONMENT)
  container.running = false
  await keepRunner(container, true, ENVIRONMENT)
  expect(container.told).toEqual([UNASKED_MS, STARTED, UNASKED_MS])
})

it("starts one for an evaluation by itself, which needs a runner as a run does", async () => {
  const isUnderWay = (evaluations: object) => isWorkUnderWay(Response.json({ runs: { succeeded: 5 }, evaluations }))
  expect([await isUnderWay({ running: 1 }), await isUnderWay({ succeeded: 2, cancelled: 1 })]).toEqual([true, false])
})

it("tells it the judge that it may ask, and nothing else of its own", async () => {
  const container = new Container(false)
  const judge = { YOHAKU_JUDGE_URL: "https://judge.example.com/v1", YOHAKU_JUDGE_KEY: "a judge's" }
  const env = { ...ENVIRONMENT, ...judge, GATEWAY: "a binding" }
  await keepRunner(container, true, env)
  expect(container.told[0]).toEqual({ env: { ...ENVIRONMENT, ...judge }, enableInternet: true })
})

it("sees by the gateway's counts whether a run is under way, and throws what it says where it refuses", async () => {
  const isUnderWay = (runs: object) => isWorkUnderWay(Response.json({ runs }))
  expect([await isUnderWay({ running: 2, succeeded: 5 }), await isUnderWay({ running: 1 })]).toEqual([true, true])
  expect([await isUnderWay({ succeeded: 5 }), await isUnderWay({ running: 0 })]).toEqual([false, false])
  await expect(isWorkUnderWay(new Response("a problem", { status: 403 }))).rejects.toThrow(
    "the gateway answered 403: YOHAKU_RUNNER_TOKEN needs the scopes runner and read. It said: a problem",
  )
})
