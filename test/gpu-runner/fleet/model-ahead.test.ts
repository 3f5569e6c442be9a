// What a runner knows of a model before it fetches it: heads from the gateway, from a hub, and from this machine, each with its second read.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { headOfWeights } from "#gpu-runner/data/model/weight-head.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { FileStore } from "#gpu-runner/fleet/blob-cache.ts"
import { executeJob } from "#gpu-runner/fleet/execute-job.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { modelAhead } from "#gpu-runner/fleet/model-ahead.ts"
import { OwnModels } from "#gpu-runner/fleet/own-models.ts"
import { headerEnd, readSafetensors, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import { repositoryOf, startLocalHub } from "../data/hub/local-hub.ts"
import { createWorkspace, shard, writeTinyModel } from "../support/tiny-folder.ts"
import { GATEWAY, leasedJob, problem, sha256, TOKEN } from "./gateway-stand-in.ts"

const FIRST_READ = 256 * 1024
const workspace = createWorkspace()

/** A tiny model in two shards, whose heads are longer than what is read of a file at first. */
const folder = writeTinyModel(workspace)
shard(folder)
const WEIGHTS = readdirSync(folder).filter((name) => name.endsWith(".safetensors"))
for (const name of WEIGHTS) {
  const { tensors } = readSafetensors(readFileSync(path.join(folder, name)))
  const pad = "x".repeat(FIRST_READ)
  writeFileSync(path.join(folder, name), writeSafetensors([...tensors.values()], { format: "pt", pad }))
}
const bytesOf = (name: string) => new Uint8Array(readFileSync(path.join(folder, name)))
const files = Object.fromEntries(readdirSync(folder).map((name) => [name, sha256(bytesOf(name))]))
const [first, second] = WEIGHTS as [string, string]
const whole = await readModelFolder(folder)
const rangesOf = (name: string) =>
  [FIRST_READ, headerEnd(bytesOf(name), bytesOf(name).length)].map((end) => `bytes=0-${end - 1}`)

/** What the gateway has, by digest; and which of it was asked for, by name and range. */
let stored: Map<string, Uint8Array>
let asked: string[]
const server = setupServer(
  http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params, request }) => {
    const digest = String(params.digest)
    const range = request.headers.get("range")
    asked.push(`${Object.keys(files).find((name) => files[name] === digest)} ${range}`)
    const bytes = stored.get(digest)
    if (bytes === undefined) return problem("not-found", 404, `There is no blob ${digest}`)
    const end = Number(/^bytes=0-(\d+)$/.exec(range ?? "")?.[1] ?? bytes.length - 1) + 1
    const part = bytes.slice(0, end)
    const headers = { "content-range": `bytes 0-${part.length - 1}/${bytes.length}` }
    return new HttpResponse(part, range === null ? {} : { status: 206, headers })
  }),
)
beforeAll(() => server.listen({ onUnhandledFrame: "bypass" }))
beforeEach(() => {
  stored = new Map(Object.entries(files).map(([name, digest]) => [digest, bytesOf(name)]))
  asked = []
})
afterEach(() => server.resetHandlers())
afterAll(() => {
  server.close()
  workspace.remove()
})

let stores = 0
const storeWith = (...blobs: readonly string[]): FileStore => {
  const directory = workspace.at(`runner-${stores++}`)
  mkdirSync(path.join(directory, "blobs"), { recursive: true })
  for (const name of blobs) copyFileSync(path.join(folder, name), path.join(directory, "blobs", files[name]!))
  return { directory }
}
const ahead = (store: FileStore, source?: Parameters<typeof modelAhead>[2]) =>
  Effect.runPromise(modelAhead(store, files, source).pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN }))))
const askedOfWeights = () => asked.filter((line) => line.includes(".safetensors "))

/** Names and shapes as whoever reads the whole model finds them, and the same name of the base. */
const expectWhole = (model: Awaited<ReturnType<typeof ahead>>) => {
  const shapes = ({ tensors }: NonNullable<typeof model>) =>
    [...tensors.values()].map(({ name, dtype, shape }) => [name, dtype, shape]).sort()
  expect(shapes(model!)).toEqual(shapes(whole))
  expect(model!.fingerprint).toBe(whole.fingerprint)
}

describe("a model of which nothing is here", () => {
  test("is known by the heads that the gateway has, each in two reads where it is long", async () => {
    expectWhole(await ahead(storeWith()))
    expect(askedOfWeights()).toEqual(WEIGHTS.flatMap((name) => rangesOf(name).map((range) => `${name} ${range}`)))
  })

  test("is known by a hub's heads where the gateway has no weights, and unknown where the hub answers no ranges", async () => {
    const hub = await startLocalHub("acme/tiny-1.5")
    try {
      const commit = hub.commit(repositoryOf(folder))
      for (const name of WEIGHTS) stored.delete(files[name]!)
      const store = { ...storeWith(), hub: { endpoint: hub.endpoint, token: undefined } }
      const source = { repository: "acme/tiny-1.5", commit }
      expectWhole(await ahead(store, source))
      const ranges = hub.requests.filter(({ url }) => url.includes("/storage/")).map(({ range }) => range)
      expect(ranges).toEqual(WEIGHTS.flatMap(rangesOf))
      expect(await ahead(store)).toBeUndefined()
      hub.misbehave("/storage/", { kind: "no-ranges" })
      expect(await ahead(store, source)).toBeUndefined()
    } finally {
      await hub.close()
    }
  })
})

describe("a model of which a part is here", () => {
  test("is known by the local head, of a blob or of the runner's own models, and the other's", async () => {
    const own = workspace.at("own")
    mkdirSync(own, { recursive: true })
    copyFileSync(path.join(folder, second), path.join(own, second))
    const record = workspace.at("own-models.json")
    const ofOwn = (...blobs: readonly string[]) => ({ ...storeWith(...blobs), ownModels: new OwnModels(own, record) })
    for (const [store, lacking] of [
      [storeWith(first), second],
      [ofOwn(), first],
    ] as const) {
      asked = []
      expectWhole(await ahead(store))
      expect(askedOfWeights()).toEqual(rangesOf(lacking).map((range) => `${lacking} ${range}`))
    }
    asked = []
    expect(await ahead(ofOwn(first))).toBeUndefined()
    expect(await ahead(storeWith(first, second))).toBeUndefined()
    expect(askedOfWeights()).toEqual([])
  })
})

test("an evaluation that this machine cannot hold is refused by the heads, and one that fits fetches its weights", async () => {
  const evaluate = (memoryBytes: number) => {
    const device = async () => ({ lane: "software", info: {}, memoryBytes }) as unknown as GpuDevice
    const spec = { kind: "evaluate", runId: "run", base: files, pack: sha256("pack"), split: "held-out" } as const
    const context = {
      ...{ job: leasedJob({ spec }), signal: new AbortController().signal },
      ...{ onProgress: () => undefined, onMetrics: () => undefined },
    }
    const work = executeJob({ ...storeWith(), device }, context)
    return Effect.runPromise(Effect.flip(work).pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN }))))
  }
  expect((await evaluate(1000)).message).toMatch(
    /^the weights alone need .* and scoring may take 0\.50 kB of the device/,
  )
  expect(askedOfWeights()).not.toContain(`${first} null`)
  expect((await evaluate(2 ** 30)).message).toBe(`There is no blob ${sha256("pack")}`)
  expect(askedOfWeights()).toEqual(expect.arrayContaining([`${first} null`, `${second} null`]))
})

test("a head that claims more than is read of one is refused by its length, and of one that claims as much the rest is read", async () => {
  const claiming = async (headerBytes: number) => {
    const start = new Uint8Array(8)
    new DataView(start.buffer).setBigUint64(0, BigInt(headerBytes), true)
    const reads: number[] = []
    const head = headOfWeights("model.safetensors", async (bytes) => {
      reads.push(bytes)
      return reads.length > 1 ? undefined : { bytes: start, fileBytes: 2 ** 40 }
    })
    return [await head.catch((error: Error) => error.message), reads]
  }
  const most = LIMITS.weightsHeaderBytes
  expect(await claiming(most)).toEqual([undefined, [FIRST_READ, most + 8]])
  expect(await claiming(most + 1)).toEqual([
    expect.stringContaining(`model.safetensors cannot be used: the header claims ${most + 1} bytes`),
    [FIRST_READ],
  ])
})
