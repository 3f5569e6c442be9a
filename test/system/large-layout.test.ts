// Llama 3 8B through the loop, registered by digests from a hub, in four shards: 16 GB of which this hub has the heads. Its runs are planned by
// them: refused with what would fit, or begun with what they will take, before a byte of weights is fetched.
import { totalmem } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { machineMemoryBytes } from "#gpu-runner/device/memory-size.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"
import { call } from "#infra/local/http.ts"
import type { Run } from "#shared/domain/Run.ts"
import { WEIGHTS_INDEX } from "#shared/formats/weights/safetensors-index.ts"
import { type RunningSystem, startSystem } from "#test/bench/load/running-system.ts"
import { printedBy, type Runner, startRunner } from "#test/bench/loop/yohaku.ts"
import { isFullRun } from "#test/full-run.ts"
import { type LocalHub, type StoredFile, startLocalHub } from "#test/gpu-runner/data/hub/local-hub.ts"
import { shardedHeads } from "#test/gpu-runner/support/sharded-heads.ts"
import { createWorkspace, jsonLines, tinyPairs } from "#test/gpu-runner/support/tiny-folder.ts"
import { PUBLISHED } from "#test/shared/formats/families/published-configs.ts"
import { tokenizerConfigJson, tokenizerJson } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const REPOSITORY = "meta-llama/Meta-Llama-3-8B"
const workspace = createWorkspace()
let system: RunningSystem
let hub: LocalHub
let runner: Runner

const environment = () => ({
  YOHAKU_TOKEN: system.adminKey,
  YOHAKU_RUNNER_TOKEN: system.runnerKey,
  HF_ENDPOINT: hub.endpoint,
})
const ask = <A>(method: string, at: string, body?: unknown): Promise<A> =>
  call<A>(system.url, method, at, { key: system.adminKey, body, idempotencyKey: crypto.randomUUID() })

/** What a software adapter's runner may take: half of this machine's memory. The whole model, and what of it is held in fewer bits. */
const BUDGET_BYTES = machineMemoryBytes(totalmem(), process.constrainedMemory()) / 2
const WHOLE_BYTES = 16_061_054_976
const FEWER_BITS = { int8: 9_517_940_736, nf4: 6_028_279_808 }
const isBetween = FEWER_BITS.nf4 <= BUDGET_BYTES && BUDGET_BYTES < WHOLE_BYTES

/** What is asked for at first, zeros behind the header. */
const started = (head: Uint8Array): Uint8Array => {
  const content = new Uint8Array(256 * 1024)
  content.set(head)
  return content
}

beforeAll(async () => {
  if (!isFullRun) return
  system = await startSystem()
  hub = await startLocalHub(REPOSITORY)
  const fields = PUBLISHED["Meta-Llama-3-8B"]!
  const { shards, index } = shardedHeads(fields, 4)
  const text = (content: string): StoredFile => ({ content: new TextEncoder().encode(content) })
  hub.commit({
    "config.json": text(JSON.stringify(fields)),
    "tokenizer.json": text(JSON.stringify(tokenizerJson())),
    "tokenizer_config.json": text(JSON.stringify(tokenizerConfigJson)),
    [WEIGHTS_INDEX]: text(index),
    ...Object.fromEntries(
      shards.map(({ name, head, fileBytes: bytes, digest }) => [
        name,
        { content: started(head), isLarge: true, whole: { bytes, digest } },
      ]),
    ),
  })
  runner = startRunner(["--url", system.url, "--directory", workspace.at("runner")], environment())
})
afterAll(async () => {
  await runner?.stop()
  await hub?.close()
  await system?.stop()
  workspace.remove()
})

/** A run of a new dataset of eight pairs whose reference is computed in a precision, once it ended or `holds`. */
const runIn = async (precision: "stored" | "nf4", holds: (run: Run) => boolean): Promise<Run> => {
  const id = `llama-${precision}`
  await ask("POST", "/v1/datasets", {
    ...{ id, referenceModel: { name: "llama" }, maxLength: 256 },
    reference: { place: "runner", precision },
  })
  const file = workspace.write(`${id}.jsonl`, jsonLines(tinyPairs(8)))
  await printedBy(["import", "--data", file, "--url", system.url, "--dataset", id], environment())
  for (;;) {
    const { counts } = await ask<{ counts: { waiting: number; pairs: { ready: number } } }>("GET", `/v1/datasets/${id}`)
    if (counts.waiting === 0 && counts.pairs.ready === 8) break
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  const { runId } = await ask<{ runId: string }>("POST", `/v1/datasets/${id}/runs`, {})
  for (;;) {
    const run = await ask<Run>("GET", `/v1/runs/${runId}`)
    if (run.status !== "running" || holds(run)) return run
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Ranges of weights that the hub was asked for. */
const askedOfWeights = () =>
  hub.requests.filter(({ url }) => url.startsWith("/storage/")).map(({ url, range }) => [path.basename(url), range])

it.runIf(isFullRun && isBetween)("a model of 16 GB is planned before it is fetched", { timeout: 120_000 }, async () => {
  const push = ["model", "push", "--url", system.url, "--name", "llama", "--from-hub", `${REPOSITORY}@main`]
  const pushed = await printedBy(push, environment())
  expect(pushed).toMatchObject({ name: "llama", version: 1, areWeightsChecked: true })
  const heads = askedOfWeights()
  expect(heads.map(([, range]) => range)).toEqual(Array(4).fill("bytes=0-262143"))

  // The only runner there is cannot do it, and the run stands with its numbers until another comes.
  const refused = await runIn("stored", ({ standing }) => standing?.includes("the weights alone") === true)
  expect(refused.status).toBe("running")
  const fitting = Object.entries(FEWER_BITS).filter(([, bytes]) => bytes <= BUDGET_BYTES)
  const kinds = fitting.map(([kind, bytes]) => `${kind} (${byteSize(bytes)})`).join(" or ")
  expect(refused.standing).toContain(
    `the weights alone need 16.1 GB, and scoring may take ${byteSize(BUDGET_BYTES)} of the device; hold the base as ${kinds} (`,
  )
  // Of the weights the beginnings alone were asked for, again.
  expect(
    askedOfWeights()
      .slice(4)
      .map(([, range]) => range),
  ).toEqual(Array(4).fill("bytes=0-262143"))

  // In nf4 it fits, and is fetched.
  const begun = await runIn("nf4", () => askedOfWeights().some(([, range]) => range === undefined))
  expect(begun.status).toBe("running")
  expect(askedOfWeights().find(([, range]) => range === undefined)![0]).toBe("model-00001-of-00004.safetensors")
})
