// The base of a registered adapter: fetched once, held to its digests, and refused in words where nothing says which it is.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { registeredBase } from "#gpu-runner/serve/registered-base.ts"
import type { ModelVersion } from "#shared/domain/Model.ts"
import { GATEWAY, problem, sha256, TOKEN } from "../fleet/gateway-stand-in.ts"
import { createWorkspace, writeTinyModel } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
const blobs = new Map<string, Uint8Array>()
let downloads = 0
let registered: Record<string, { versions: ModelVersion[]; channels: { channel: string; version: number }[] }> = {}
const server = setupServer(
  http.get(`${GATEWAY}/v1/models/:name`, ({ params }) => {
    const found = registered[params.name as string]
    if (found === undefined)
      return problem("not-found", 404, `There is no model "${params.name}"`, { resource: "model" })
    const pointers = found.channels.map((channel) => ({ ...channel, name: params.name, movedAt: 1 }))
    return HttpResponse.json({ name: params.name, versions: found.versions, channels: pointers })
  }),
  http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params }) => {
    downloads += 1
    return HttpResponse.arrayBuffer(blobs.get(params.digest as string)!.slice().buffer)
  }),
)
beforeAll(() => server.listen({ onUnhandledFrame: "error" }))
afterAll(() => {
  server.close()
  workspace.remove()
})

const filesIn = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((name) => {
      const bytes = new Uint8Array(readFileSync(path.join(folder, name)))
      blobs.set(sha256(bytes), bytes)
      return [name, sha256(bytes)]
    }),
  )

const version = (name: string, number: number, over: Partial<ModelVersion>): ModelVersion => ({
  ...{ name, version: number, kind: "adapter", digest: sha256(name + number), files: {}, metrics: {}, createdAt: 1 },
  ...over,
})

const folders = [writeTinyModel(workspace, "first", 3), writeTinyModel(workspace, "second", 9)]
let directories = 0
const fetched = (directory = workspace.at(`serve-${++directories}`)) =>
  registeredBase({ gateway: { url: GATEWAY, token: TOKEN }, name: "support", directory }, () => undefined)

beforeEach(() => {
  downloads = 0
  registered = {
    tiny: {
      versions: folders.map((folder, index) => version("tiny", index + 1, { kind: "base", files: filesIn(folder) })),
      channels: [],
    },
    support: {
      versions: [1, 2].map((number) => version("support", number, { base: { name: "tiny", version: number } })),
      channels: [],
    },
  }
})

test.each([
  [
    "what production serves",
    [
      { channel: "production", version: 1 },
      { channel: "candidate", version: 2 },
    ],
    0,
  ],
  ["the candidate, where production serves nothing", [{ channel: "candidate", version: 1 }], 0],
  ["the newest version, where no channel points at one", [], 1],
] as const)("is that of %s", async (_, channels, which) => {
  registered.support!.channels = [...channels]
  const { name, model } = await fetched()
  const expected = await readModelFolder(folders[which]!)
  expect([name, model.weightsDigest]).toEqual(["tiny", expected.weightsDigest])
})

test("is fetched once, and found at the next start", async () => {
  const directory = workspace.at("kept")
  const { model } = await fetched(directory)
  const first = downloads
  expect(first).toBe(readdirSync(folders[0]!).length)
  await fetched(directory)
  expect(downloads).toBe(first)
  expect(path.relative(directory, model.directory)).toMatch(/^base\/folders\//)
})

test.each<[string, () => void, RegExp]>([
  ["a model without versions", () => (registered.support!.versions = []), /^support has no version yet/],
  [
    "a whole model",
    () => (registered.support!.versions = [version("support", 1, { kind: "finetune" })]),
    /^version 1 of support is no adapter \(finetune\)/,
  ],
  ["a base that is gone", () => (registered.tiny!.versions = []), /^the base tiny@2 is not registered any more/],
  ["a model that nobody knows", () => delete registered.support, /^There is no model "support"/],
])("of %s is not known, and that is said", async (_, change, fault) => {
  change()
  await expect(fetched()).rejects.toThrow(fault)
})
