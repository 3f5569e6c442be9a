// A model pushed to a real gateway and fetched from it by a runner, each killed with signal 9 three times on the way: what had arrived is not
// sent again, and every byte is right at the end. `npm run test:full` does it with 2 GiB.

import { type ChildProcess, spawn } from "node:child_process"
import { createCipheriv } from "node:crypto"
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, it } from "vitest"
import { fileDigest } from "#gpu-runner/data/files.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { layoutSafetensors } from "#shared/formats/weights/safetensors.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { type RunningSystem, startSystem } from "#test/bench/load/running-system.ts"
import { isFullRun } from "#test/full-run.ts"
import { SMALL_LLAMA_FIELDS } from "#test/reference/random-decoder.ts"
import { tokenizerConfigJson, tokenizerJson, VOCABULARY_SIZE } from "#test/shared/tokenisation/byte-level-tokenizer.ts"
import { type CountingProxy, startCountingProxy } from "./counting-proxy.ts"

const SHARDS = 2
const LAYERS = isFullRun ? 16 : 2
const HIDDEN = isFullRun ? 2048 : 1024
const KILLS = 3
const PARALLEL = 3
/** What sockets and pipes hold of an answer when its reader is killed. */
const IN_FLIGHT_BYTES = 8 * 2 ** 20

const launcher = fileURLToPath(new URL("../../gpu-runner/cli/yohaku.mjs", import.meta.url))
const fetcher = fileURLToPath(new URL("fetch-folder.ts", import.meta.url))
const home = mkdtempSync(path.join(tmpdir(), "yohaku-push-"))
const modelDirectory = path.join(home, "model")

let system: RunningSystem
let proxy: CountingProxy
beforeAll(async () => {
  writeModel()
  system = await startSystem()
  proxy = await startCountingProxy(system.port)
})
afterAll(async () => {
  proxy?.close()
  await system?.stop()
  rmSync(home, { recursive: true, force: true })
})

/** BF16 weights in shards: bytes that never repeat, since nothing here reads them as numbers. */
function writeModel(): void {
  const fields = {
    ...SMALL_LLAMA_FIELDS,
    ...{ hidden_size: HIDDEN, head_dim: 64, intermediate_size: 4 * HIDDEN, num_hidden_layers: LAYERS },
    ...{ num_attention_heads: HIDDEN / 64, num_key_value_heads: HIDDEN / 64, vocab_size: VOCABULARY_SIZE },
  }
  mkdirSync(modelDirectory)
  const shapes = [...decoderTensorShapes(parseDecoderConfig(fields))]
  const tensors = shapes.map(([name, shape]) => ({ name, shape, dtype: "BF16" as const }))
  const weightMap: Record<string, string> = {}
  const write = (name: string, content: object) =>
    writeFileSync(path.join(modelDirectory, name), JSON.stringify(content))
  for (let shard = 0; shard < SHARDS; shard++) {
    const name = `model-0000${shard + 1}-of-0000${SHARDS}.safetensors`
    const { head, order, dataBytes } = layoutSafetensors(tensors.filter((_, index) => index % SHARDS === shard))
    for (const tensor of order) weightMap[tensor.name] = name
    writeBytes(path.join(modelDirectory, name), head, dataBytes, shard)
  }
  write("model.safetensors.index.json", { weight_map: weightMap })
  write("config.json", fields)
  write("tokenizer.json", tokenizerJson())
  write("tokenizer_config.json", tokenizerConfigJson)
}

function writeBytes(file: string, head: Uint8Array, dataBytes: number, seed: number): void {
  const descriptor = openSync(file, "w")
  writeSync(descriptor, head)
  const cipher = createCipheriv("aes-128-ctr", new Uint8Array(16).fill(seed), new Uint8Array(16))
  const zeros = new Uint8Array(2 ** 22)
  for (let left = dataBytes; left > 0; left -= zeros.length)
    writeSync(descriptor, cipher.update(zeros.subarray(0, Math.min(left, zeros.length))))
  closeSync(descriptor)
}

interface Ended {
  readonly code: number | null
  readonly printed: string
  readonly told: string
}

const start = (script: string, ...argv: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } => {
  const child = spawn(process.execPath, [script, ...argv], { env: { ...process.env, YOHAKU_TOKEN: system.adminKey } })
  const texts = { printed: "", told: "" }
  child.stdout.on("data", (piece) => (texts.printed += piece))
  child.stderr.on("data", (piece) => (texts.told += piece))
  return { child, ended: new Promise((resolve) => child.on("close", (code) => resolve({ code, ...texts }))) }
}

/** Kills the process three times, each when as much more of the whole has passed by, and lets it end the fourth time. */
async function killedThrice(direction: "sent" | "received", wholeBytes: number, script: string, ...argv: string[]) {
  for (let kill = 1; kill <= KILLS; kill++) {
    const { child, ended } = start(script, ...argv)
    proxy.onBytes = () => {
      if (proxy.counted[direction] >= (kill * wholeBytes) / (KILLS + 1)) child.kill("SIGKILL")
    }
    expect((await ended).code).toBe(null)
  }
  proxy.onBytes = () => undefined
  const { code, printed, told } = await start(script, ...argv).ended
  expect({ code, told: code === 0 ? "" : told }).toEqual({ code: 0, told: "" })
  return JSON.parse(printed)
}

it(
  "sends little more than its size though the sender is killed, and nothing when it is pushed again; so does who fetches it",
  async () => {
    const push = ["model", "push", "--url", proxy.url, "--name", "pushed", "--model", modelDirectory, "--json"]
    const shardBytes = statSync(path.join(modelDirectory, "model-00001-of-00002.safetensors")).size
    expect(shardBytes).toBeGreaterThan(3 * LIMITS.leastPartBytes)
    const wholeBytes = readdirSync(modelDirectory).reduce(
      (sum, name) => sum + statSync(path.join(modelDirectory, name)).size,
      0,
    )
    const report = await killedThrice("sent", wholeBytes, launcher, ...push, "--parallel", String(PARALLEL))
    expect(report).toMatchObject({ name: "pushed", version: 1, totalBytes: wholeBytes })
    expect(report.sentBytes).toBeLessThan(wholeBytes)
    expect(proxy.counted.sent).toBeLessThanOrEqual(1.05 * wholeBytes + KILLS * PARALLEL * LIMITS.leastPartBytes)
    for (const [name, digest] of Object.entries(report.files))
      expect(fileDigest(path.join(modelDirectory, name))).toBe(digest)
    const sent = proxy.counted.sent
    const again = await start(launcher, ...push).ended
    expect(JSON.parse(again.printed)).toEqual({ ...report, sentBytes: 0 })
    expect(proxy.counted.sent).toBe(sent)

    const fetching = [proxy.url, system.runnerKey, path.join(home, "runner"), JSON.stringify(report.files)]
    const { folder, peakBytes } = await killedThrice("received", wholeBytes, fetcher, ...fetching)
    expect(proxy.counted.received).toBeLessThanOrEqual(1.05 * wholeBytes + KILLS * IN_FLIGHT_BYTES)
    for (const [name, digest] of Object.entries(report.files)) expect(fileDigest(path.join(folder, name))).toBe(digest)
    if (isFullRun) expect(peakBytes).toBeLessThan(wholeBytes / 4)
  },
  isFullRun ? 1_200_000 : 240_000,
)
