// References that runners are asked for, through the whole loop: models pushed, judged, scored by a runner that is killed with signal 9 in the
// middle, trained on, decided on. What is in KV is never computed again. And all weights of one, killed while it sends what it made.
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createServer, request as forward } from "node:http"
import type { AddressInfo } from "node:net"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, it } from "vitest"
import { fileDigest } from "#gpu-runner/data/files.ts"
import { call } from "#infra/local/http.ts"
import type { Dataset } from "#shared/domain/Dataset.ts"
import type { ModelVersion } from "#shared/domain/Model.ts"
import type { Run } from "#shared/domain/Run.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { type RunningSystem, startSystem } from "#test/bench/load/running-system.ts"
import {
  createWorkspace,
  jsonLines,
  TINY_FIELDS,
  tinyPairs,
  writeTinyModel,
} from "#test/gpu-runner/support/tiny-folder.ts"
import { smallFields } from "#test/reference/random-decoder.ts"

/** More than one call takes, so that something is stored when the runner is killed and something is not. */
const PAIRS = LIMITS.pairsPerHandIn + 44

const AT_RUNNERS = { reference: { place: "runner" } } as const

const launcher = fileURLToPath(new URL("../../gpu-runner/cli/yohaku.mjs", import.meta.url))
const workspace = createWorkspace()

let system: RunningSystem
/** Hands a runner's calls on, and tells of those that hand in log-probs once they are answered. */
let between: { readonly url: string; readonly close: () => void }
const handedIn: number[] = []
let onHandedIn: () => void = () => undefined
/** Paths of the parts that a runner's files were sent in, once they are stored. */
const sentParts: string[] = []
let onSentPart: () => void = () => undefined

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
      if (pathname.startsWith("/v1/uploads/") && method === "PUT" && answer.statusCode === 200) {
        sentParts.push(pathname)
        onSentPart()
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

const startRun = async (datasetId = "qwen-tuned"): Promise<() => Promise<Run>> => {
  const { runId } = await ask<{ runId: string }>("POST", `/v1/datasets/${datasetId}/runs`, {})
  return () =>
    until(
      () => ask<Run>("GET", `/v1/runs/${runId}`),
      ({ status }) => status !== "running",
    )
}

/** Pushes a model, and makes a dataset with so many pairs, whose runs make `NAME-tuned`. */
const prepare = async (name: string, model: string, pairs: number, retrainConfig: object): Promise<Dataset> => {
  const pushed = await start("model", "push", "--url", system.url, "--name", name, "--model", model, "--json").ended
  expect(JSON.parse(pushed)).toMatchObject({ name, version: 1 })
  const wanted = { id: `${name}-tuned`, referenceModel: { name }, maxLength: 128, retrainConfig, ...AT_RUNNERS }
  const dataset = await ask<Dataset>("POST", "/v1/datasets", wanted)
  const file = workspace.write(`${name}.jsonl`, jsonLines(tinyPairs(pairs)))
  const imported = await start("import", "--data", file, "--url", system.url, "--dataset", `${name}-tuned`, "--json")
    .ended
  expect(JSON.parse(imported)).toMatchObject({ accepted: pairs })
  return dataset
}

const kindsOf = (printed: string): string[] => JSON.parse(printed).jobs.map(({ kind }: { kind: string }) => kind)

it("is scored by runners, goes on where a killed runner stopped, and is never scored again", async () => {
  const model = writeTinyModel(workspace, "qwen2", 1, smallFields("qwen2", TINY_FIELDS))
  const retrainConfig = { method: "alpha-dpo", loraRank: 4, maxSteps: 2, batch: 4 }
  const { reference } = await prepare("qwen", model, PAIRS, retrainConfig)
  expect(reference).toEqual({ place: "runner", why: "it was asked for", precision: "stored" })

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
  expect(kindsOf(await second.ended)).toEqual(["score", "train", "evaluate"])

  const again = await startRun()
  const third = runner(2)
  expect((await again()).detail.score).toEqual({ computed: 0, fromCache: 2 * PAIRS, place: "runner" })
  expect(handedIn).toHaveLength(2)
  expect(kindsOf(await third.ended)).toEqual(["train", "evaluate"])
}, 300_000)

it("has all of its weights trained, and what the runner made is registered to the bit though it was killed while sending", async () => {
  // 18 MB: three parts.
  const wide = smallFields("qwen2", { ...TINY_FIELDS, intermediate_size: 24_000 })
  const config = { method: "dpo", loraRank: 0, maxSteps: 1, batch: 4, schedule: "constant" }
  await prepare("wide", writeTinyModel(workspace, "wide", 2, wide), 24, config)

  const result = await startRun("wide-tuned")
  const killed = runner(3)
  onSentPart = () => killed.child.kill("SIGKILL")
  await killed.ended
  onSentPart = () => undefined
  const second = runner(2)
  const run = await result()
  expect(run.error).toBeUndefined()
  expect(kindsOf(await second.ended)).toEqual(["train", "evaluate"])
  expect(new Set(sentParts).size).toBe(sentParts.length)

  const { versions } = await ask<{ versions: ModelVersion[] }>("GET", "/v1/models/wide-tuned")
  expect(versions).toMatchObject([{ version: 1, kind: "finetune", runId: run.id, files: run.detail.train!.model }])
  const made = path.join(workspace.at("runner"), "jobs", `${run.id}-train`)
  for (const [name, digest] of Object.entries(versions[0]!.files)) {
    expect(fileDigest(path.join(made, name))).toBe(digest)
    const answer = await fetch(`${system.url}/v1/blobs/${digest}`, {
      headers: { authorization: `Bearer ${system.adminKey}` },
    })
    expect(Buffer.from(await answer.arrayBuffer()).equals(readFileSync(path.join(made, name)))).toBe(true)
  }
  const base = fileDigest(workspace.at("wide", "model.safetensors"))
  expect(versions[0]!.files["model.safetensors"]).not.toBe(base)
}, 300_000)
