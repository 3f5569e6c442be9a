// Files that a runner has fetched, and that are others on its disk later: nothing is computed from them.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { HttpResponse, http } from "msw"
import { afterEach, expect, test } from "vitest"
import { cachedBlob, cachedFolder, cachedModelFolder, type FileStore } from "#gpu-runner/fleet/blob-cache.ts"
import { executeJob } from "#gpu-runner/fleet/execute-job.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { OwnModels } from "#gpu-runner/fleet/own-models.ts"
import type { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import type { JobSpec } from "#shared/wire/job.ts"
import { writePackFolder } from "../support/pack-folder.ts"
import { createWorkspace, writeTinyModel } from "../support/tiny-folder.ts"
import { GATEWAY, leasedJob, problem, sha256, standIn, TOKEN } from "./gateway-stand-in.ts"

const undo: (() => void)[] = []
afterEach(() => {
  for (const one of undo.splice(0)) one()
})
const folder = () => {
  const made = mkdtempSync(path.join(tmpdir(), "yohaku-"))
  undo.push(() => rmSync(made, { recursive: true }))
  return made
}

const WEIGHTS = "model.safetensors"
const hex = (digit: string) => digit.repeat(64)

/** A gateway that holds a tiny model and a pack of one pair; `asked` are the digests that were fetched from it. */
const world = () => {
  const workspace = createWorkspace()
  const modelDir = writeTinyModel(workspace)
  const pair = { id: hex("1"), promptIds: [1], chosenIds: [2], rejectedIds: [3], split: "train" as const }
  const packDir = folder()
  const manifest = writePackFolder(packDir, [pair], { snapshot: hex("a"), reference: "", tokenizer: hex("c") })
  const blobs = new Map<string, Buffer<ArrayBuffer>>()
  const base: Record<string, string> = {}
  for (const directory of [modelDir, packDir])
    for (const name of readdirSync(directory)) {
      const bytes = readFileSync(path.join(directory, name))
      blobs.set(sha256(bytes), bytes)
      if (directory === modelDir) base[name] = sha256(bytes)
    }
  const asked: string[] = []
  const { server } = standIn(leasedJob())
  server.use(
    http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params }) => {
      asked.push(String(params.digest))
      const bytes = blobs.get(String(params.digest))
      return bytes === undefined ? problem("not-found", 404, "no such blob") : new HttpResponse(bytes)
    }),
  )
  server.listen({ onUnhandledFrame: "error" })
  undo.push(() => server.close(), workspace.remove)
  return { asked, base, blobs, modelDir, pack: path.basename(manifest) }
}

/** Flips a bit of the last byte; neither size nor time say so. Returns the digest that it has then. */
const damage = (file: string): string => {
  const bytes = readFileSync(file)
  bytes[bytes.length - 1]! ^= 1
  const { atime, mtime } = statSync(file)
  writeFileSync(file, bytes)
  utimesSync(file, atime, mtime)
  return sha256(bytes)
}

const reach = <A, E>(effect: Effect.Effect<A, E, RunnerApi>) =>
  Effect.provide(effect, layerHttp({ url: GATEWAY, token: TOKEN }))
const done = <A, E>(effect: Effect.Effect<A, E, RunnerApi>): Promise<A> => Effect.runPromise(reach(effect))

/** How the job fails; it comes to no device. */
const failureOf = (store: FileStore, spec: JobSpec) => {
  const signal = new AbortController().signal
  const context = { job: leasedJob({ spec }), signal, onProgress: () => undefined, onMetrics: () => undefined }
  return Effect.runPromise(
    Effect.flip(reach(executeJob({ ...store, device: async () => undefined as never }, context))),
  )
}

test.each<[string, (base: Record<string, string>, pack: string) => JobSpec]>([
  ["training", (base, pack) => ({ kind: "train", runId: "run-1", base, pack, config: {} })],
  [
    "an evaluation",
    (base, pack) => ({ kind: "evaluate", runId: "run-1", base, pack, split: "held-out", precision: "f32" }),
  ],
  [
    "an evaluation of a whole model",
    (model, pack) => ({ kind: "evaluate", runId: "run-1", base: {}, model, pack, split: "train", precision: "f32" }),
  ],
  [
    "scoring",
    (base, pack) => ({
      ...{ kind: "score", runId: "run-1", base, pack, precision: "stored", pairs: 1 },
      ...{ sheet: hex("d"), reference: hex("e") },
    }),
  ],
])(
  "weights that were damaged on the runner's disk end %s, are removed, and are fetched by the next try",
  async (_, specOf) => {
    const { asked, base, pack } = world()
    const store = { directory: folder() }
    const modelDir = await done(cachedModelFolder(store, base))
    const blob = path.join(store.directory, "blobs", base[WEIGHTS]!)
    const found = damage(blob)
    expect(await failureOf(store, specOf(base, pack))).toMatchObject({
      _tag: "JobFailed",
      retryable: true,
      message: `${path.join(modelDir, WEIGHTS)} is damaged on this machine: its digest is ${found}, and ${base[WEIGHTS]} was registered; it is fetched again`,
    })
    asked.length = 0
    const again = await done(cachedModelFolder(store, base))
    expect(asked).toEqual([base[WEIGHTS]])
    expect(sha256(readFileSync(path.join(again, WEIGHTS)))).toBe(base[WEIGHTS])
  },
)

test("weights of the runner's own that were damaged are passed over from then on, though size and time are as they were", async () => {
  const { asked, base, modelDir, pack } = world()
  utimesSync(path.join(modelDir, WEIGHTS), 1, 1)
  const directory = folder()
  const store = { directory, ownModels: new OwnModels(modelDir, path.join(directory, "own-models.json")) }
  await done(cachedModelFolder(store, base))
  expect(asked).toEqual([])
  damage(path.join(modelDir, WEIGHTS))
  const spec: JobSpec = { kind: "train", runId: "run-1", base, pack, config: {} }
  expect(await failureOf(store, spec)).toMatchObject({ _tag: "JobFailed", retryable: true })
  asked.length = 0
  const again = await done(cachedModelFolder(store, base))
  expect(asked).toEqual([base[WEIGHTS]])
  expect(sha256(readFileSync(path.join(again, WEIGHTS)))).toBe(base[WEIGHTS])
  expect(sha256(readFileSync(path.join(modelDir, WEIGHTS)))).not.toBe(base[WEIGHTS])
})

test("every other file is held to its digest when it is used, and fetched again at once: a document, an adapter, a pack", async () => {
  const { asked, base, blobs, pack } = world()
  const store = { directory: folder() }
  const blobOf = (digest: string) => path.join(store.directory, "blobs", digest)
  const adapter = { "adapter_model.safetensors": sha256("adapter") }
  blobs.set(sha256("adapter"), Buffer.from("adapter"))
  const use = async () => [
    path.join(await done(cachedModelFolder(store, base)), "config.json"),
    path.join(await done(cachedFolder(store, adapter)), "adapter_model.safetensors"),
    await done(cachedBlob(store.directory, pack)),
  ]
  await use()
  asked.length = 0
  const damaged = [base["config.json"]!, adapter["adapter_model.safetensors"], pack]
  for (const digest of damaged) damage(blobOf(digest))
  expect((await use()).map((file) => sha256(readFileSync(file)))).toEqual(damaged)
  expect(asked).toEqual(damaged)
  await use()
  expect(asked).toEqual(damaged)
})
