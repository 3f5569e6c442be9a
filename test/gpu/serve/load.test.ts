// Under load and at its end: who waits, who is refused, whose client goes away, what a drain and a swap leave alone.
import { afterAll, expect } from "vitest"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import type { ModelServer } from "#gpu-runner/serve/open-server.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { createWorkspace, writeTinyAdapter, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { openStream, post, served, stream, streamedText, until } from "./served.ts"

const workspace = createWorkspace()
const modelDir = writeTinyModel(workspace)
const servers: ModelServer[] = []
afterAll(async () => {
  for (const server of servers) await server.close(0)
  workspace.remove()
})

/** Two at once, and three who wait. */
async function small(gpu: Parameters<typeof served>[0], more: Parameters<typeof served>[1] = {}) {
  const server = await served(gpu, { modelDir, maxLength: 128, batch: 2, mostWaiting: 3, ...more })
  servers.push(server)
  return server
}

/** An answer that nothing ends before its hundred tokens: the tiny model's own end is left out by asking for it greedily. */
const long = { model: "demo", prompt: "tea", temperature: 0, max_tokens: 120 }

softwareTest(
  "requests beyond the queue are refused with 429 and Retry-After, those in it are answered, and room is made by clients that go",
  async ({ gpu }) => {
    const server = await small(gpu)
    const { scheduler } = server
    const streams = Array.from({ length: 5 }, () => openStream(server, "completions", long))
    await until(() => scheduler.running === 2 && scheduler.waiting === 3)
    const refused = await post(server, "completions", long)
    expect([refused.status, refused.json.error.code, refused.json.error.type]).toEqual([
      429,
      "queue_full",
      "rate_limit_error",
    ])
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1)
    streams[4]!.goAway()
    await until(() => scheduler.waiting === 2 || scheduler.running < 2)
    streams[0]!.goAway()
    streams[1]!.goAway()
    const texts = await Promise.all(streams.slice(2, 4).map(({ ended }) => ended))
    expect(texts[0]).toMatch(/data: \[DONE\]\n\n$/)
    expect(texts[1]!.replaceAll(/cmpl-[\w-]+|"created":\d+/g, "")).toBe(
      texts[0]!.replaceAll(/cmpl-[\w-]+|"created":\d+/g, ""),
    )
    await until(() => scheduler.running === 0)
  },
)

softwareTest("a client that goes away frees its sequence: the next pass is without it", async ({ gpu }) => {
  const passes: number[] = []
  const server = await small(gpu, { onPass: ({ kind, tokens }) => kind === "step" && passes.push(tokens) })
  const staying = openStream(server, "completions", long)
  const going = openStream(server, "completions", { ...long, prompt: "hot tea" })
  await Promise.all([staying.begun, going.begun])
  going.goAway()
  await until(() => server.scheduler.running === 1)
  expect(await staying.ended).toMatch(/\[DONE\]\n\n$/)
  expect(passes.filter((sequences) => sequences === 2).length).toBeGreaterThan(0)
  expect(passes.slice(passes.lastIndexOf(2) + 1).length, "steps of one after the other went").toBeGreaterThan(0)
  expect(passes.length).toBeLessThan(2 * 120)
})

softwareTest(
  "an adapter is swapped under its name: a stream under way goes on as it began, the next request has the new one",
  async ({ gpu }) => {
    const model = await readModelFolder(modelDir)
    const one = readAdapterFolder(await writeTinyAdapter(workspace, modelDir), model)
    const other = { adapter: scaled(one.adapter, -1), digest: "other" }
    const server = await small(gpu, { spare: [one.adapter] })
    const { models, scheduler } = server
    const ask = { ...long, model: "tuned" }
    const alone = []
    for (const version of [one, other]) {
      models.put({ name: "tuned", ...version })
      alone.push(streamedText((await stream(server, "completions", ask)).chunks))
    }
    expect(alone[0]).not.toBe(alone[1])
    models.put({ name: "tuned", ...one })
    const begun = openStream(server, "completions", ask)
    await begun.begun
    models.put({ name: "tuned", ...other })
    const after = await stream(server, "completions", ask)
    expect(scheduler.running).toBe(0)
    const chunks = (await begun.ended)
      .split("\n\n")
      .slice(0, -2)
      .map((event) => JSON.parse(event.slice("data: ".length)))
    expect(streamedText(chunks)).toBe(alone[0])
    expect(streamedText(after.chunks)).toBe(alone[1])
    expect(after.chunks[0].system_fingerprint).not.toBe(chunks[0].system_fingerprint)
    models.drop("tuned")
    expect((await post(server, "completions", ask)).status).toBe(404)
  },
)

softwareTest("an adapter with NaN fails its own requests with 500, and the base's go on", async ({ gpu }) => {
  const model = await readModelFolder(modelDir)
  const { adapter } = readAdapterFolder(await writeTinyAdapter(workspace, modelDir), model)
  const server = await small(gpu, { spare: [adapter] })
  server.models.put({ name: "broken", adapter: scaled(adapter, Number.NaN), digest: "broken" })
  const [sound, broken] = await Promise.all([
    post(server, "completions", long),
    post(server, "completions", { ...long, model: "broken" }),
  ])
  expect([broken.status, broken.json.error.code]).toEqual([500, "broken_model"])
  expect(broken.json.error.message).toMatch(/position 2 are not finite/)
  expect(sound.status).toBe(200)
})

softwareTest("a port that is taken is told, and nothing stays open", async ({ gpu }) => {
  const server = await small(gpu)
  const port = Number(new URL(server.url).port)
  await expect(served(gpu, { modelDir, port })).rejects.toThrow(
    `127.0.0.1:${port} cannot be served at: another process listens there; give another --port`,
  )
})

softwareTest(
  "draining: streams under way end, new requests are refused with 503, and one that takes too long is told",
  async ({ gpu }) => {
    const server = await small(gpu)
    const begun = openStream(server, "completions", long)
    await begun.begun
    const closing = server.close(60_000)
    const refused = await post(server, "completions", long)
    expect([refused.status, refused.json.error.code]).toEqual([503, "draining"])
    const health = await fetch(`${server.url}/health`)
    expect([health.status, ((await health.json()) as { status: string }).status]).toEqual([503, "draining"])
    await closing
    expect(await begun.ended).toMatch(/\[DONE\]\n\n$/)
    await expect(fetch(`${server.url}/health`)).rejects.toThrow()
    servers.splice(servers.indexOf(server), 1)

    const hasty = await small(gpu)
    const cut = openStream(hasty, "completions", long)
    await cut.begun
    await hasty.close(0)
    expect(await cut.ended).toMatch(/data: \{"error":\{"message":"the server ended before the answer did".*\n\n$/)
    servers.splice(servers.indexOf(hasty), 1)
  },
)

function scaled(adapter: Adapter, factor: number): Adapter {
  const modules = [...adapter.modules].map(
    ([path, { a, b }]) => [path, { a, b: b.map((value) => factor * value) }] as const,
  )
  return { ...adapter, modules: new Map(modules) }
}

softwareTest(
  "an adapter for which memory has no room is refused with its bytes, and the one before it stays",
  async ({ gpu }) => {
    const model = await readModelFolder(modelDir)
    const one = readAdapterFolder(await writeTinyAdapter(workspace, modelDir), model)
    const foreseen = await small(gpu, { adapters: {}, spare: [one.adapter] })
    const { fixedBytes, cacheBytes, passBytes } = foreseen.plan
    // Half of a machine's memory may be taken.
    const memoryBytes = 2 * (fixedBytes + cacheBytes + passBytes)
    const server = await small({ ...gpu, memoryBytes }, { spare: [one.adapter] })
    server.models.put({ name: "tuned", ...one })
    const other = { adapter: scaled(one.adapter, -1), digest: "other" }
    expect(() => server.models.put({ name: "tuned", ...other })).toThrow(
      expect.objectContaining({ _tag: "AdapterTooLarge", leftBytes: expect.any(Number) }),
    )
    expect(server.models.digestOf("tuned")).toBe(one.digest)
    server.models.drop("tuned")
    server.models.put({ name: "tuned", ...other })
    expect((await post(server, "completions", { ...long, model: "tuned" })).status).toBe(200)
  },
)

softwareTest(
  "when the device is lost every answer is told, waiting ones too, and the server says so from then on",
  async () => {
    const own = await openDevice({ forceFallback: true })
    const server = await served(own, { modelDir, maxLength: 128, batch: 2, mostWaiting: 3 })
    const streams = Array.from({ length: 3 }, () => openStream(server, "completions", long))
    await streams[0]!.begun
    own.device.destroy()
    const failure = await server.broken
    expect(failure).toMatchObject({ _tag: "DeviceLost" })
    const texts = await Promise.all(streams.map(({ ended }) => ended))
    for (const text of texts) expect(text).toContain('"code":"device_failed"')
    const health = await fetch(`${server.url}/health`)
    expect([health.status, await health.json()]).toEqual([503, { status: "failed", running: 0, waiting: 0 }])
    expect((await post(server, "completions", long)).json.error.code).toBe("device_failed")
    await server.close(0)
  },
)
