// Pushing a model folder, against a stand-in that holds uploads as the gateway does and can be spoiled. Over 300 lines: a case a way to fail.
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { Effect } from "effect"
import { HttpResponse, http } from "msw"
import { setupServer } from "msw/node"
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest"
import { OnAway } from "#gpu-runner/client/call-failure.ts"
import { type PushProgress, pushModel } from "#gpu-runner/client/push-model.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { GATEWAY, problem, TOKEN } from "#test/gpu-runner/fleet/gateway-stand-in.ts"
import { repositoryOf, startLocalHub } from "../data/hub/local-hub.ts"
import { runYohaku, runYohakuJson } from "../support/run-yohaku.ts"
import { createWorkspace, shard, writeTinyModel } from "../support/tiny-folder.ts"

const PART_BYTES = 1000
const digestOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Of one digest: parts by number, and how many bytes were sent for it. */
interface Held {
  readonly digest: string
  readonly bytes: number
  readonly parts: Map<number, Uint8Array>
}

let uploads: Map<string, Held>
let stored: Map<string, Uint8Array>
let sentBytes: number
let atOnce: { now: number; most: number }

const idOf = (digest: string) => digest.slice(0, 24)
const noUpload = () => problem("not-found", 404, "There is no upload under way")

const handlers = [
  http.post(`${GATEWAY}/v1/uploads`, async ({ request }) => {
    const { digest, bytes } = (await request.json()) as { digest: string; bytes: number }
    if (stored.has(digest)) return HttpResponse.json({ status: "stored", digest, bytes })
    const held = uploads.get(idOf(digest)) ?? { digest, bytes, parts: new Map() }
    uploads.set(idOf(digest), held)
    const parts = [...held.parts.keys()].sort((a, b) => a - b)
    const partCount = Math.ceil(bytes / PART_BYTES)
    return HttpResponse.json({
      status: "open",
      digest,
      bytes,
      uploadId: idOf(digest),
      partBytes: PART_BYTES,
      partCount,
      parts,
    })
  }),
  http.put(`${GATEWAY}/v1/uploads/:id/parts/:number`, async ({ request, params }) => {
    atOnce.most = Math.max(atOnce.most, ++atOnce.now)
    const bytes = new Uint8Array(await request.arrayBuffer())
    await new Promise((resolve) => setTimeout(resolve, 2))
    atOnce.now--
    const held = uploads.get(String(params.id))
    if (held === undefined) return noUpload()
    sentBytes += bytes.length
    held.parts.set(Number(params.number), bytes)
    return HttpResponse.json({ number: Number(params.number), bytes: bytes.length })
  }),
  http.post(`${GATEWAY}/v1/uploads/:id/complete`, ({ params }) => {
    const held = uploads.get(String(params.id))
    if (held === undefined) return noUpload()
    const { digest } = held
    const whole = Buffer.concat([...held.parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes))
    uploads.delete(String(params.id))
    if (digestOf(whole) !== digest) return problem("digest-mismatch", 422, `The bytes do not have the digest ${digest}`)
    stored.set(digest, whole)
    return HttpResponse.json({ digest, bytes: whole.length, created: true })
  }),
  http.post(`${GATEWAY}/v1/models`, async ({ request }) => {
    const { name, kind, files, source } = (await request.json()) as {
      name: string
      kind: string
      files: Record<string, string>
      source?: object
    }
    const needed = Object.entries(files).filter(([file]) => source === undefined || !file.endsWith(".safetensors"))
    const lacking = needed.filter(([, digest]) => !stored.has(digest))
    const missing = lacking.map(([file]) => file)
    if (missing.length > 0) return problem("model-incomplete", 422, `not stored: ${missing[0]}`, { missing })
    const version = { name, version: 1, kind, digest: "d", files, ...(source && { source }), metrics: {}, createdAt: 1 }
    return HttpResponse.json(version, { status: 201 })
  }),
]

const workspace = createWorkspace()
const server = setupServer(...handlers)
beforeAll(() => {
  server.listen({ onUnhandledFrame: "bypass" })
  vi.stubEnv("YOHAKU_TOKEN", TOKEN)
})
beforeEach(() => {
  ;[uploads, stored, sentBytes] = [new Map(), new Map(), 0]
  atOnce = { now: 0, most: 0 }
})
afterEach(() => server.resetHandlers())
afterAll(() => {
  server.close()
  vi.unstubAllEnvs()
  workspace.remove()
})

let made = 0
const folder = () => writeTinyModel(workspace, `model-${++made}`, made)
const pushing = (directory: string, ...more: readonly string[]) =>
  ["model", "push", "--url", GATEWAY, "--name", "tiny", "--model", directory, ...more] as const

test("a folder is sent once, in parts side by side, and registered; the second time nothing is sent", async () => {
  const directory = folder()
  shard(directory)
  const { code, result } = await runYohakuJson(...pushing(directory, "--parallel", "3"))
  expect(code).toBe(0)
  expect(Object.keys(result.files).sort()).toEqual([
    ...["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.onnx"],
    ...["model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"],
  ])
  // The graph by which the edge computes stands in no folder: it was written for the push.
  const graph = exportOnnxGraph(await readModelFolder(directory))
  for (const [name, digest] of Object.entries(result.files as Record<string, string>)) {
    const bytes = name === "model.onnx" ? graph : readFileSync(`${directory}/${name}`)
    expect([stored.has(digest), digestOf(bytes)]).toEqual([true, digest])
  }
  expect(readdirSync(directory)).not.toContain("model.onnx")
  expect([result.version, result.sentBytes, sentBytes]).toEqual([1, result.totalBytes, result.totalBytes])
  expect(atOnce.most).toBe(3)
  const again = await runYohakuJson(...pushing(directory))
  expect([again.result.files, again.result.sentBytes, sentBytes]).toEqual([result.files, 0, result.totalBytes])
  expect((await runYohaku(...pushing(directory))).printed).toMatch(
    /^tiny version 1: nothing had to be sent, its 7 files, [\d.]+ kB, were stored there$/,
  )
})

test("safetensors from which the model is not read are left out, of a folder and of a hub, and the push says so", async () => {
  const directory = folder()
  const hub = await startLocalHub("acme/tiny-1.5")
  try {
    for (const name of ["consolidated.safetensors", "model-00001-of-00002.safetensors"])
      writeFileSync(`${directory}/${name}`, "another layout")
    hub.commit({ ...repositoryOf(directory), "model.onnx": { content: new Uint8Array(8) } })
    vi.stubEnv("HF_ENDPOINT", hub.endpoint)
    const fromHub = ["model", "push", "--url", GATEWAY, "--name", "tiny", "--from-hub", "acme/tiny-1.5@main"]
    const others = ["consolidated.safetensors", "model-00001-of-00002.safetensors"]
    for (const [push, leftOut] of [
      [pushing(directory), others],
      [fromHub, [...others, "model.onnx"]],
    ] as const) {
      const { code, result } = await runYohakuJson(...push)
      expect([code, result.leftOut]).toEqual([0, leftOut])
      expect(Object.keys(result.files).filter((name) => name.endsWith(".safetensors"))).toEqual(["model.safetensors"])
      expect(
        (await runYohaku(...push)).printed.endsWith(
          `; left out, because the model is not read from it: ${leftOut.join(", ")}`,
        ),
      ).toBe(true)
    }
  } finally {
    await hub.close()
  }
})

test("a name that is taken is refused before a byte is sent, without a word of going on", async () => {
  const taken = '"tiny" is the name of a model of kind adapter; choose another name'
  server.use(http.post(`${GATEWAY}/v1/models`, () => problem("conflict", 409, taken)))
  const { code, told } = await runYohaku(...pushing(folder()))
  expect([code, told]).toEqual([1, `yohaku model: ${taken}`])
  expect([sentBytes, uploads.size, stored.size]).toEqual([0, 0, 0])
})

test("what an earlier push left is gone on with: only the missing parts are sent", async () => {
  const directory = folder()
  let parts = 0
  server.use(
    http.put(`${GATEWAY}/v1/uploads/:id/parts/:number`, () =>
      ++parts > 4 ? problem("forbidden", 403, "killed here") : undefined,
    ),
  )
  const early = await runYohaku(...pushing(directory, "--parallel", "1"))
  expect(early.code).toBe(1)
  const before = sentBytes
  expect(before).toBeGreaterThan(0)
  const [held] = [...uploads.values()] as [Held]
  const file = readdirSync(directory).find((name) => digestOf(readFileSync(`${directory}/${name}`)) === held.digest)
  const [left, refusal] = early.told.split("\n")
  expect(refusal).toMatch(/killed here$/)
  expect(left).toBe(
    `nothing was registered yet; stored at the gateway are config.json, tokenizer_config.json, ${held.parts.size} of ${Math.ceil(held.bytes / PART_BYTES)} parts of ${file} (for 6 days), and the same command goes on from there`,
  )
  server.resetHandlers()
  const { result } = await runYohakuJson(...pushing(directory))
  expect(before + result.sentBytes).toBe(result.totalBytes)
  expect(sentBytes).toBe(result.totalBytes)
})

test("a push that the gateway does not register says what is stored, and not that the same command would go on", async () => {
  let registrations = 0
  server.use(
    http.post(`${GATEWAY}/v1/models`, () =>
      registrations++ === 0 ? undefined : problem("unusable-request", 422, "config.json names no layers"),
    ),
  )
  const { code, told } = await runYohaku(...pushing(folder()))
  expect(code).toBe(1)
  const [left, refusal] = told.split("\n")
  expect(left).toBe(
    "nothing was registered; all 5 files are stored at the gateway, and a push that it takes sends only those that differ",
  )
  expect(refusal).toMatch(/config\.json names no layers$/)
})

test("a push that is stopped says so, what is stored, and with which code it ends; the next says what it sent", async () => {
  const directory = folder()
  let parts = 0
  server.use(
    http.put(`${GATEWAY}/v1/uploads/:id/parts/:number`, () => {
      if (++parts === 4) process.emit("SIGTERM")
      return undefined
    }),
  )
  const { code, told } = await runYohaku(...pushing(directory, "--parallel", "1"))
  expect(code).toBe(130)
  expect(told).toMatch(
    /^yohaku model: stopped: nothing was registered yet; stored at the gateway are config\.json, tokenizer_config\.json, /,
  )
  server.resetHandlers()
  const { printed } = await runYohaku(...pushing(directory))
  expect(printed).toMatch(/^tiny version 1: 5 files, .* kB: .* kB sent, .* kB were stored there before \(config\.json/)
  stored.clear()
  expect((await runYohaku(...pushing(directory))).printed).toMatch(/^tiny version 1: 5 files, [\d.]+ kB, all sent$/)
})

test("an upload that the store gave up on is begun again, and a gateway that is away is waited for", async () => {
  const directory = folder()
  let [isGone, away, closed] = [false, 0, 0]
  const messages: string[] = []
  server.use(
    http.put(`${GATEWAY}/v1/uploads/:id/parts/:number`, ({ params }) => {
      if (!isGone) uploads.delete(String(params.id))
      isGone = true
      return undefined
    }),
    http.post(`${GATEWAY}/v1/uploads/:id/complete`, () => (away++ === 0 ? HttpResponse.error() : undefined)),
    http.post(`${GATEWAY}/v1/models`, () =>
      // The first call is for the name, and told that files are missing.
      closed++ === 1 ? problem("unavailable", 503, "the database does not answer") : undefined,
    ),
  )
  const events: PushProgress[] = []
  const report = await Effect.runPromise(
    pushModel({
      ...{ url: GATEWAY, token: TOKEN, name: "tiny", from: { directory }, parallel: 1 },
      onProgress: (event) => events.push(event),
    }).pipe(Effect.provideService(OnAway, (why) => void messages.push(why))),
  )
  expect(report.version).toBe(1)
  expect(messages).toEqual([expect.any(String), "the database does not answer"])
  expect(events.findLast(({ _tag }) => _tag === "Sending")).toMatchObject({
    _tag: "Sending",
    doneBytes: report.totalBytes,
    totalBytes: report.totalBytes,
  })
})

test("a file that changes while it is sent is refused by its digest, and nothing is registered", async () => {
  const directory = folder()
  server.use(
    http.post(`${GATEWAY}/v1/uploads`, () => {
      const file = `${directory}/tokenizer_config.json`
      writeFileSync(file, ` ${readFileSync(file, "utf8").slice(1)}`)
      return undefined
    }),
  )
  const { code, told } = await runYohaku(...pushing(directory))
  expect(code).toBe(1)
  expect(told).toMatch(/do not have the digest/)
})

test.each<[string, (directory: string) => void, RegExp]>([
  [
    "whose shard is missing",
    (at) => rmSync(`${at}/model-00002-of-00002.safetensors`),
    /model-00002-of-00002\.safetensors is missing; model\.safetensors\.index\.json names it/,
  ],
  [
    "whose index names a tensor that no shard has",
    (at) => {
      const file = `${at}/model.safetensors.index.json`
      writeFileSync(
        file,
        readFileSync(file, "utf8").replace(
          /"weight_map": ?\{/,
          '"weight_map":{"nowhere":"model-00001-of-00002.safetensors",',
        ),
      )
    },
    /says that model-00001-of-00002\.safetensors holds nowhere, and no file of the model holds it; /,
  ],
  [
    "whose shard was cut off",
    (at) => {
      const file = `${at}/model-00002-of-00002.safetensors`
      writeFileSync(file, readFileSync(file).subarray(0, -4))
    },
    /model-00002-of-00002\.safetensors cannot be used: .*fetch it again in full/,
  ],
  [
    "without a tokenizer",
    (at) => rmSync(`${at}/tokenizer.json`),
    /tokenizer\.json is missing; give a Hugging Face model folder/,
  ],
])("a folder %s is refused before anything is sent", async (_, spoil, message) => {
  const directory = folder()
  shard(directory)
  spoil(directory)
  const { code, told } = await runYohaku(...pushing(directory))
  expect(code).toBe(1)
  expect(told).toMatch(message)
  expect([sentBytes, uploads.size]).toEqual([0, 0])
})

test("a model of a hub is registered by digests: only its documents are fetched and sent", async () => {
  const hub = await startLocalHub("acme/tiny-1.5")
  try {
    const directory = folder()
    shard(directory)
    const commit = hub.commit({
      ...repositoryOf(directory),
      "consolidated.safetensors": { content: new Uint8Array(9), isLarge: true },
    })
    vi.stubEnv("HF_ENDPOINT", hub.endpoint)
    const push = ["model", "push", "--url", GATEWAY, "--name", "tiny", "--from-hub", "acme/tiny-1.5@main"]
    const { code, result } = await runYohakuJson(...push)
    expect(code).toBe(0)
    const names = readdirSync(directory).sort()
    expect(Object.keys(result.files).sort()).toEqual(names)
    for (const name of names) expect(result.files[name]).toBe(digestOf(readFileSync(`${directory}/${name}`)))
    expect(result).toMatchObject({ source: { repository: "acme/tiny-1.5", commit }, areWeightsChecked: true })
    expect(names.filter((name) => !stored.has(result.files[name]))).toEqual([
      ...["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
    ])
    // Of the weights, the first bytes alone are asked for.
    const ranges = hub.requests.filter(({ url }) => url.includes("/storage/")).map(({ range }) => range)
    const ofWeights = names.filter((name) => name.endsWith(".safetensors"))
    expect(ranges).toEqual(ofWeights.map(() => `bytes=0-${256 * 1024 - 1}`))
    expect((await runYohaku(...push)).printed).toContain(
      `; of acme/tiny-1.5 at ${commit.slice(0, 12)}: the weights stay on the hub, and runners fetch them from there; by their headers they are of the configuration`,
    )
  } finally {
    await hub.close()
  }
})

test("a model of a hub whose weights are others than its configuration says is refused, and nothing is sent", async () => {
  const hub = await startLocalHub("acme/tiny-1.5")
  try {
    const directory = folder()
    const config = JSON.parse(readFileSync(`${directory}/config.json`, "utf8"))
    writeFileSync(`${directory}/config.json`, JSON.stringify({ ...config, hidden_size: 2 * config.hidden_size }))
    hub.commit(repositoryOf(directory))
    vi.stubEnv("HF_ENDPOINT", hub.endpoint)
    const push = ["model", "push", "--url", GATEWAY, "--name", "tiny", "--from-hub", "acme/tiny-1.5@main"]
    const { code, told } = await runYohaku(...push)
    expect([code, told]).toEqual([1, expect.stringMatching(/shape/)])
    expect([sentBytes, stored.size]).toEqual([0, 0])
    // A hub that answers no ranges is not asked for all of them: the runner looks before its first step, and the push says so.
    hub.misbehave("/storage/", { kind: "no-ranges" })
    const pushed = await runYohaku(...push)
    expect([pushed.code, pushed.printed]).toEqual([
      0,
      expect.stringMatching(
        /the hub answers no ranges, so its weights were not checked: the first runner that loads them/,
      ),
    ])
    expect((await runYohakuJson(...push)).result.areWeightsChecked).toBe(false)
  } finally {
    await hub.close()
  }
})

test("weights that a hub serves with another size than it lists are refused, and nothing is sent", async () => {
  const hub = await startLocalHub("acme/tiny-1.5")
  try {
    const files = repositoryOf(folder())
    const { content } = files["model.safetensors"]!
    vi.stubEnv("HF_ENDPOINT", hub.endpoint)
    for (const listedBytes of [content.length - 1, content.length + 1]) {
      hub.commit({ ...files, "model.safetensors": { content, isLarge: true, listedBytes } })
      const { code, told } = await runYohaku(
        ...["model", "push", "--url", GATEWAY, "--name", "tiny", "--from-hub", "acme/tiny-1.5@main"],
      )
      const says = `model.safetensors of acme/tiny-1.5 has ${content.length} bytes where the hub serves it, and ${listedBytes} in its list`
      expect([code, told]).toEqual([1, expect.stringContaining(says)])
    }
    expect([sentBytes, stored.size]).toEqual([0, 0])
  } finally {
    await hub.close()
  }
})

test.each([
  [["model", "push"], /--url is missing; yohaku model push needs --url, --name and --model or --from-hub/],
  [["model", "push", "--url", GATEWAY, "--name", "x"], /--model is missing/],
  [pushing("x", "--from-hub", "a/b"), /--model and --from-hub are two places/],
  [["model", "push", "--url", GATEWAY, "--name", "x", "--from-hub", "b@main"], /--from-hub b@main: give owner\/name/],
  [pushing("x", "--parallel", "0"), /--parallel 0: give a whole number from 1 to 64/],
])("%j is a usage error", async (argv, message) => {
  const { code, told } = await runYohaku(...argv)
  expect(code).toBe(2)
  expect(told).toMatch(message)
})
