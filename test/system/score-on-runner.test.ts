// A model that the edge does not compute, through the whole loop: pushed, judged, scored by a runner that is killed with signal 9 in the
// middle, trained on, decided on. What is in KV is never computed again.
import { type ChildProcess, spawn } from "node:child_process"
import { createServer, request as forward } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, it } from "vitest"
import { call } from "#infra/local/http.ts"
import type { Dataset } from "#shared/domain/Dataset.ts"
import type { Run } from "#shared/domain/Run.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { type RunningSystem, startSystem } from "#test/bench/load/running-system.ts"
import { createWorkspace, TINY_FIELDS, tinyPairs, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { smallFields } from "#test/reference/random-decoder.ts"

/** More than one call takes, so that something is stored when the runner is killed and something is not. */
const PAIRS = LIMITS.pairsPerHandIn + 44

const launcher = fileURLToPath(new URL("../../gpu-runner/cli/yohaku.mjs", import.meta.url))
const workspace = createWorkspace()

let system: RunningSystem
/** Hands a runner's calls on, and tells of those that hand in log-probs once they are answered. */
let between: { readonly url: string; readonly close: () => void }
const handedIn: number[] = []
let onHandedIn: () => void = () => undefined

beforeAll(async () => {
  system = await startSystem()
  const server = createServer((incoming, outgoing) => {
    const { method, url = "/", headers } = incoming
    const onward = forward({ port: system.port, host: "127.0.0.1", method, path: url, headers }, (answer) => {
      const { pathname, searchParams } = new URL(url, system.url)
      if (pathname.endsWith("/scores") && answer.statusCode === 200) {
        handedIn.push(Number(searchParams.get("from")))
        onHandedIn()
      }
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(onward)
    outgoing.on("close", () => onward.destroy())
    onward.on("error", () => outgoing.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  between = { url: `http://127.0.0.1:${port}`, close: () => void server.close() }
})
afterAll(async () => {
  between?.close()
  await system?.stop()
  workspace.remove()
})

const start = (...argv: readonly string[]): { child: ChildProcess; ended: Promise<string> } => {
  const environment = { ...process.env, YOHAKU_TOKEN: system.adminKey, YOHAKU_RUNNER_TOKEN: system.runnerKey }
  const child = spawn(process.execPath, [launcher, ...argv], { env: environment })
  const texts = { printed: "", told: "" }
  child.stdout.on("data", (piece) => (texts.printed += piece))
  child.stderr.on("data", (piece) => (texts.told += piece))
  const ended = new Promise<string>((resolve) =>
    child.on("close", (code) => resolve(code === 0 ? texts.printed : `${code}: ${texts.told}`)),
  )
  return { child, ended }
}

const ask = <A>(method: string, at: string, body?: unknown): Promise<A> =>
  call<A>(system.url, method, at, { key: system.adminKey, body, idempotencyKey: crypto.randomUUID() })

const runner = (jobs: number) =>
  start(
    ...["runner", "--url", between.url, "--directory", workspace.at("runner"), "--models", workspace.directory],
    ...["--jobs", String(jobs), "--json"],
  )

const until = async <A>(look: () => Promise<A>, holds: (seen: A) => boolean): Promise<A> => {
  for (const endsAt = Date.now() + 120_000; ; await new Promise((resolve) => setTimeout(resolve, 250))) {
    const seen = await look()
    if (holds(seen)) return seen
    if (Date.now() > endsAt) throw new Error(`it never came true; last seen: ${JSON.stringify(seen)}`)
  }
}

const startRun = async (): Promise<() => Promise<Run>> => {
  const { runId } = await ask<{ runId: string }>("POST", "/v1/datasets/judged/runs", {})
  return () =>
    until(
      () => ask<Run>("GET", `/v1/runs/${runId}`),
      ({ status }) => status !== "running",
    )
}

it("is scored by runners, goes on where a killed runner stopped, and is never scored again", async () => {
  const model = writeTinyModel(workspace, "qwen2", 1, smallFields("qwen2", TINY_FIELDS))
  const pushed = JSON.parse(
    await start("model", "push", "--url", system.url, "--name", "qwen", "--model", model, "--json").ended,
  )
  expect(pushed).toMatchObject({ name: "qwen", version: 1 })
  const retrainConfig = { method: "alpha-dpo", loraRank: 4, maxSteps: 2, batch: 4 }
  const made = { id: "judged", referenceModel: { name: "qwen" }, maxLength: 128, retrainConfig }
  const { reference } = await ask<Dataset>("POST", "/v1/datasets", made)
  expect(reference).toMatchObject({ place: "runner", precision: "stored" })
  expect(reference.why).toMatch(/^the model has no model\.onnx/)
  const file = workspace.write(
    "pairs.jsonl",
    tinyPairs(PAIRS)
      .map((pair) => `${JSON.stringify(pair)}\n`)
      .join(""),
  )
  const imported = await start("import", "--data", file, "--url", system.url, "--dataset", "judged", "--json").ended
  expect(JSON.parse(imported)).toMatchObject({ accepted: PAIRS })

  const first = await startRun()
  const killed = runner(3)
  onHandedIn = () => killed.child.kill("SIGKILL")
  await killed.ended
  onHandedIn = () => undefined
  expect(handedIn).toEqual([0])
  const second = runner(3)
  const run = await first()
  expect(run.error).toBeUndefined()
  expect(run).toMatchObject({ status: "succeeded", step: "done" })
  expect(handedIn).toEqual([0, LIMITS.pairsPerHandIn])
  expect(run.detail.score).toEqual({ computed: 2 * PAIRS, fromCache: 0, place: "runner" })
  expect(run.detail.train?.report).toMatchObject({ steps: 2 })
  expect(JSON.parse(await second.ended).jobs.map(({ kind }: { kind: string }) => kind)).toEqual([
    ...["score", "train", "evaluate"],
  ])

  const again = await startRun()
  const third = runner(2)
  expect((await again()).detail.score).toEqual({ computed: 0, fromCache: 2 * PAIRS, place: "runner" })
  expect(handedIn).toHaveLength(2)
  expect(JSON.parse(await third.ended).jobs.map(({ kind }: { kind: string }) => kind)).toEqual(["train", "evaluate"])
}, 300_000)
