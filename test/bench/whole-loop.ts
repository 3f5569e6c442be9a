// The whole loop with a model of a published size: node test/bench/whole-loop.ts [--layout NAME] [--base KIND] [--pairs N] [--batch N]
// [--json].
// A random model is pushed, pairs are imported, scored by a runner, packed, trained on for two steps, evaluated and registered; then the same
// again, which must compute no log-prob and fetch no byte of weights. Prints each stage's time, the bytes that were sent, and the most
// memory that the runner had beside what it planned. Ends with code 1 where one of these does not hold.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { finishedRun } from "#infra/demo/loop/runs.ts"
import { call } from "#infra/local/http.ts"
import type { DatasetCounts } from "#shared/domain/Dataset.ts"
import type { Run } from "#shared/domain/Run.ts"
import { splitOf } from "#shared/wire/pair-identity.ts"
import { PUBLISHED } from "#test/shared/formats/families/published-configs.ts"
import { startCountingProxy } from "#test/system/counting-proxy.ts"
import { startSystem, stopOnSignal } from "./load/running-system.ts"
import { writeModelFolder } from "./loop/model-folder.ts"
import { statedPairs, statedPrompts } from "./loop/stated-pairs.ts"
import { endAll, printedBy, startRunner } from "./loop/yohaku.ts"
import { countOf, refuse, scriptOptions } from "./script-options.ts"

const given = scriptOptions({
  layout: { type: "string", default: "SmolLM2-135M" },
  base: { type: "string", default: "stored" },
  pairs: { type: "string", default: "32" },
  batch: { type: "string", default: "4" },
  json: { type: "boolean", default: false },
})
const fields = PUBLISHED[given.layout]
if (fields === undefined) refuse(`--layout ${given.layout}: there are ${Object.keys(PUBLISHED).join(", ")}`)
const pairs = countOf("pairs", given.pairs)
const batch = countOf("batch", given.batch)
const sides = await Promise.all(statedPrompts(pairs).map(splitOf))
if (!sides.includes("held-out"))
  refuse(`--pairs ${pairs}: none of their prompts would be held out, and a run needs one`)
if (process.platform !== "linux") refuse("memory is read from /proc, which Linux alone has")

const MOST_OF_PLAN = 1.25
const DATASET = "loop"
const STEPS = 2

const home = mkdtempSync(path.join(tmpdir(), "yohaku-loop-"))
const system = await startSystem()
const proxy = await startCountingProxy(system.port)
const runner = startRunner(["--url", proxy.url, "--directory", path.join(home, "runner")], {
  YOHAKU_RUNNER_TOKEN: system.runnerKey,
})
const stop = async (): Promise<void> => {
  await endAll()
  proxy.close()
  await system.stop()
  rmSync(home, { recursive: true, force: true })
}
stopOnSignal({ stop })

const stages: Record<string, number> = {}
const timed = async <A>(stage: string, work: () => Promise<A>): Promise<A> => {
  const from = performance.now()
  const result = await work()
  stages[stage] = (performance.now() - from) / 1000
  console.error(`${stage}: ${stages[stage]!.toFixed(1)} s`)
  return result
}

const post = <A>(route: string, body: object, key: string): Promise<A> =>
  call<A>(system.url, "POST", route, { key: system.adminKey, body, idempotencyKey: key })

/** Runs to its end; each step's seconds, as they were seen, come under its name. */
const runOnce = async (name: string): Promise<Run> => {
  const config = {
    ...{ method: "alpha-dpo", maxSteps: STEPS, batch, loraRank: 8 },
    ...(given.base === "stored" ? {} : { baseWeights: given.base }),
  }
  const { runId } = await post<{ runId: string }>(
    `/v1/datasets/${DATASET}/runs`,
    { config, force: true },
    name.replace(" ", "-"),
  )
  const gateway = { url: system.url, datasetId: DATASET, operatorKey: system.adminKey, provisioned: system.provisioned }
  let [step, since] = ["snapshot", performance.now()]
  return finishedRun(gateway, runId, (run) => {
    if (run.step === step) return
    stages[`${name}, ${step}`] = (performance.now() - since) / 1000
    console.error(`${name}, ${step}: ${stages[`${name}, ${step}`]!.toFixed(1)} s`)
    ;[step, since] = [run.step, performance.now()]
  })
}

/** Waits until every comparison is a pair. */
const allPairs = async (): Promise<void> => {
  for (;;) {
    const { counts } = await call<{ counts: DatasetCounts }>(system.url, "GET", `/v1/datasets/${DATASET}`, {
      key: system.adminKey,
    })
    if (counts.waiting === 0 && counts.pairs.ready === pairs) return
    await sleep(500)
  }
}

interface Measured {
  readonly parameters: number
  readonly totalBytes: number
  readonly first: Run
  readonly second: Run
  readonly peakBytes: number
  readonly fetchedAgain: number
}

/** Prints what was measured, and what of it does not hold. */
const report = ({ parameters, totalBytes, first, second, peakBytes, fetchedAgain }: Measured): void => {
  const { plannedBytes } = first.detail.train!.report as { plannedBytes: number }
  const computed = [first, second].map(({ detail }) => detail.score?.computed)
  const broken = [
    ...(computed[0] === 2 * pairs ? [] : [`the first run computed ${computed[0]} log-probs of ${2 * pairs}`]),
    ...(computed[1] === 0 ? [] : [`the second run computed ${computed[1]} log-probs again`]),
    ...(fetchedAgain === 0 ? [] : [`the second run fetched ${fetchedAgain} bytes`]),
    ...(peakBytes <= MOST_OF_PLAN * plannedBytes ? [] : [`the runner had ${peakBytes / plannedBytes} of its plan`]),
  ]
  const { promote, evaluate } = first.detail
  const measured = { layout: given.layout, base: given.base, pairs, batch, parameters, totalBytes, stages }
  const memory = { plannedBytes, peakBytes, ratio: peakBytes / plannedBytes }
  const result = { ...measured, memory, computed, fetchedAgain, promote, evaluate, broken }
  console.log(JSON.stringify(result, null, given.json ? 0 : 2))
  if (broken.length > 0) process.exitCode = 1
}

try {
  const model = path.join(home, "model")
  const parameters = await timed("make the model", async () => writeModelFolder(model, fields!))
  const env = { YOHAKU_TOKEN: system.adminKey }
  const push = ["model", "push", "--url", proxy.url, "--name", "loop-base", "--model", model]
  const { version, totalBytes } = await timed("push", () =>
    printedBy<{ version: number; totalBytes: number }>(push, env),
  )
  const referenceModel = { name: "loop-base", version }
  await post("/v1/datasets", { id: DATASET, referenceModel, maxLength: 512 }, "dataset")
  const file = path.join(home, "pairs.jsonl")
  writeFileSync(file, statedPairs(pairs))
  await timed("import", () => printedBy(["import", "--data", file, "--url", system.url, "--dataset", DATASET], env))
  await timed("pairs", () => allPairs())
  const first = await runOnce("first run")
  const received = proxy.counted.received
  const peakBytes = runner.peakBytes()
  const second = await runOnce("second run")
  report({ parameters, totalBytes, first, second, peakBytes, fetchedAgain: proxy.counted.received - received })
} catch (error) {
  console.error(runner.told().slice(-4000))
  throw error
} finally {
  await stop()
}
