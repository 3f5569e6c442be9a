// Following a registry's channels: adapters are fetched, held to their digests, and swapped; what cannot be fetched or read leaves in place what
// is served, and is told once.
import { readFileSync } from "node:fs"
import path from "node:path"
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import { type ModelFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { ChannelFollower } from "#gpu-runner/serve/follow-channels.ts"
import { ServedModels } from "#gpu-runner/serve/served-models.ts"
import type { ModelVersion } from "#shared/domain/Model.ts"
import { GATEWAY, problem, sha256, TOKEN } from "../fleet/gateway-stand-in.ts"
import { createWorkspace, writeTinyAdapter, writeTinyModel } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
const blobs = new Map<string, Uint8Array>()
let versions: ModelVersion[] = []
let channels: { name: string; channel: "production" | "candidate"; version: number; movedAt: number }[] = []
let downloads = 0
const server = setupServer(
  http.get(`${GATEWAY}/v1/models/support`, () => HttpResponse.json({ name: "support", versions, channels })),
  http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params }) => {
    downloads += 1
    const bytes = blobs.get(params.digest as string)
    return bytes ? HttpResponse.arrayBuffer(bytes.slice().buffer) : problem("not-found", 404, "no such blob")
  }),
)
let model: ModelFolder

beforeAll(async () => {
  server.listen({ onUnhandledFrame: "error" })
  model = await readModelFolder(writeTinyModel(workspace))
})
afterAll(() => {
  server.close()
  workspace.remove()
})

/** Registers an adapter of the base in this folder, with a card that says which. */
async function register(version: number, modelDir = model.directory, kind: ModelVersion["kind"] = "adapter") {
  const folder = await writeTinyAdapter(workspace, modelDir, `adapter-${version}`)
  const config = JSON.parse(readFileSync(path.join(folder, "adapter_config.json"), "utf8"))
  const files: Record<string, string> = {}
  const contents = {
    "adapter_config.json": new TextEncoder().encode(JSON.stringify({ ...config, lora_alpha: version })),
    "adapter_model.safetensors": new Uint8Array(readFileSync(path.join(folder, "adapter_model.safetensors"))),
  }
  for (const [name, bytes] of Object.entries(contents)) {
    files[name] = sha256(bytes)
    blobs.set(files[name], bytes)
  }
  versions.push({ name: "support", version, kind, digest: `${version}`.repeat(64), files, metrics: {}, createdAt: 1 })
}

const point = (channel: "production" | "candidate", version: number) => {
  channels = [
    ...channels.filter((other) => other.channel !== channel),
    { name: "support", channel, version, movedAt: 1 },
  ]
}

/** What a device holds, by place. */
const device = { held: new Set<number>(), next: 0 }
const generator = {
  hold: () => {
    device.held.add(device.next)
    return device.next++
  },
  release: (place: number) => void device.held.delete(place),
}

let said: string[] = []
let models: ServedModels
let follower: ChannelFollower
const look = async () => follower.apply(models, await follower.read())

beforeEach(() => {
  versions = []
  channels = []
  said = []
  downloads = 0
  device.held.clear()
  models = new ServedModels(generator, { name: "base", fingerprint: "f".repeat(64) })
  const gateway = { url: GATEWAY, token: TOKEN }
  const directory = workspace.at("cache")
  follower = new ChannelFollower({ gateway, name: "support", directory, model }, (line) => said.push(line))
})

const names = () => models.listed.map(({ name }) => name)

test("a channel is served from its first version on, swapped when it moves, and asked for nothing that is there", async () => {
  await register(1)
  await look()
  expect(names()).toEqual(["base"])
  point("production", 1)
  await look()
  expect(names()).toEqual(["base", "support@production"])
  const before = models.take("support@production")
  await register(2)
  point("candidate", 2)
  point("production", 2)
  await look()
  expect(said).toEqual([
    "support@production is version 1 from now on",
    "support@candidate is version 2 from now on",
    "support@production is version 2 from now on",
  ])
  expect(models.take("support@production").voice).not.toBe(before.voice)
  expect(device.held.size, "the old one is held while a request has it").toBe(3)
  before.giveBack()
  before.giveBack()
  expect(device.held.size).toBe(2)
  const fetched = downloads
  await look()
  expect([downloads, said.length]).toEqual([fetched, 3])
  channels = channels.filter(({ channel }) => channel === "production")
  await look()
  expect(names()).toEqual(["base", "support@production"])
  expect(said.at(-1)).toBe("support@candidate points at nothing any more and is not served")
  expect(device.held.size).toBe(1)
})

test("what is no adapter, of another base, or not stored stays out, with the reason told once", async () => {
  await register(1)
  point("production", 1)
  await look()
  const served = models.take("support@production").voice
  await register(2, model.directory, "finetune")
  await register(3, writeTinyModel(workspace, "other", 9))
  await register(4)
  blobs.delete(versions[3]!.files["adapter_config.json"]!)
  for (const [version, reason] of [
    [2, /version 2 is a whole model \(finetune\), and only adapters are swapped/],
    [3, /support@production stays as it is: .*other weights|trained on/],
    [4, /support@production stays as it is: .*stored neither here nor at the gateway/],
  ] as const) {
    point("production", version)
    await look()
    const told = said.length
    await look()
    expect(said).toHaveLength(told)
    expect(said.at(-1)).toMatch(reason)
    expect(models.take("support@production").voice).toBe(served)
  }
  point("production", 1)
  await look()
  expect(models.take("support@production").voice).toBe(served)
})

test("a gateway that is away changes nothing and is told once; when it is back, channels are followed on", async () => {
  await register(1)
  point("production", 1)
  await look()
  let asked = 0
  const away = http.get(`${GATEWAY}/v1/models/support`, () => {
    asked += 1
    return problem("internal", 503, "in maintenance")
  })
  server.use(away)
  const end = new AbortController()
  const following = follower.follow(models, 5, end.signal)
  await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThan(2)
  expect(said).toHaveLength(2)
  expect(said[1]).toMatch(/^http:\/\/gateway\.test cannot be asked for channels: .*503.*; what is served stays$/)
  expect(names()).toEqual(["base", "support@production"])
  await register(2)
  point("production", 2)
  server.resetHandlers()
  await expect.poll(() => said.at(-1), { timeout: 20_000 }).toBe("support@production is version 2 from now on")
  end.abort()
  await following
})
