// Fetched blobs and folders on disk: what is kept, verified and given up. Over 300 lines: a case a way to fail.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect, Exit } from "effect"
import { HttpResponse, http } from "msw"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { HubAccess } from "#gpu-runner/data/hub/hub-client.ts"
import { cachedBlob, cachedFolder, cachedModelFolder } from "#gpu-runner/fleet/blob-cache.ts"
import { FetchProgress } from "#gpu-runner/fleet/fetch-progress.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import { OwnModels } from "#gpu-runner/fleet/own-models.ts"
import { pruneCache } from "#gpu-runner/fleet/prune-cache.ts"
import type { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { type LocalHub, startLocalHub } from "../data/hub/local-hub.ts"
import { GATEWAY, leasedJob, problem, sha256, standIn, TOKEN } from "./gateway-stand-in.ts"

let server: ReturnType<typeof standIn>["server"]
let close: () => void = () => undefined
afterEach(() => close())

/** A gateway that holds these blobs by their digests; `asked` are the digests that were fetched from it. */
const gatewayWith = (blobs: Readonly<Record<string, string>>) => {
  const asked: string[] = []
  server = standIn(leasedJob()).server
  server.use(
    http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params }) => {
      const digest = String(params.digest)
      asked.push(digest)
      if (blobs[digest] === undefined) return problem("not-found", 404, `There is no blob ${digest}`)
      return new HttpResponse(blobs[digest], { headers: { "content-type": "application/octet-stream" } })
    }),
  )
  server.listen({ onUnhandledFrame: "bypass" })
  close = () => server.close()
  return asked
}

const directory = (): string => mkdtempSync(path.join(tmpdir(), "yohaku-"))
const exitOf = <A, E>(effect: Effect.Effect<A, E, RunnerApi>) =>
  Effect.runPromiseExit(effect.pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN }))))
const doneOf = async <A, E>(effect: Effect.Effect<A, E, RunnerApi>): Promise<A> => {
  const exit = await exitOf(effect)
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return exit.value
}

const failureOf = <A, E>(effect: Effect.Effect<A, E, RunnerApi>) =>
  Effect.runPromise(Effect.flip(effect).pipe(Effect.provide(layerHttp({ url: GATEWAY, token: TOKEN }))))

const WEIGHTS = sha256("weights")
const CONFIG = sha256("config")
const BLOBS = { [WEIGHTS]: "weights", [CONFIG]: "config" }

describe("what a runner has fetched", () => {
  it("is fetched once, and read from disk from then on", async () => {
    const asked = gatewayWith(BLOBS)
    const kept = directory()
    for (let times = 0; times < 2; times++) {
      expect(readFileSync(await doneOf(cachedBlob(kept, WEIGHTS)), "utf8")).toBe("weights")
    }
    expect(asked).toEqual([WEIGHTS])
  })

  it("of a single blob was used now when it is read, so that the pruning takes others first", async () => {
    gatewayWith(BLOBS)
    const kept = directory()
    const [weights, config] = [await doneOf(cachedBlob(kept, WEIGHTS)), await doneOf(cachedBlob(kept, CONFIG))]
    utimesSync(weights, 1, 1)
    utimesSync(config, 2, 2)
    await doneOf(cachedBlob(kept, WEIGHTS))
    expect(pruneCache(kept, 7)).toBe(6)
    expect(readdirSync(path.join(kept, "blobs"))).toEqual([WEIGHTS])
  })

  it("tells how far it is under its name, and was used now when it is used", async () => {
    gatewayWith(BLOBS)
    const kept = directory()
    const told: unknown[] = []
    const fetch = cachedFolder({ directory: kept }, { "model.safetensors": WEIGHTS }).pipe(
      Effect.provideService(FetchProgress, (...event) => told.push(event)),
    )
    const folder = await doneOf(fetch)
    expect(told.at(-1)).toEqual(["model.safetensors", 7, Number.POSITIVE_INFINITY])
    const blob = path.join(kept, "blobs", WEIGHTS)
    utimesSync(blob, 1, 1)
    expect(await doneOf(fetch)).toBe(folder)
    expect(Date.now() - statSync(blob).mtimeMs).toBeLessThan(60_000)
    expect(pruneCache(kept, 0)).toBe(7)
    expect(readFileSync(path.join(await doneOf(fetch), "model.safetensors"), "utf8")).toBe("weights")
  })

  it("is refused and not kept where its bytes are not what its digest says", async () => {
    gatewayWith({ [WEIGHTS]: "other weights" })
    const kept = directory()
    const exit = await exitOf(cachedBlob(kept, WEIGHTS))
    expect(JSON.stringify(exit)).toContain(`blob ${WEIGHTS} arrived with other content; the store is damaged`)
    expect(readdirSync(path.join(kept, "blobs"))).toEqual([])
  })

  it("is a folder under its files' names; the same files are the same folder, other names another", async () => {
    const asked = gatewayWith(BLOBS)
    const kept = directory()
    const files = { "model.safetensors": WEIGHTS, "config.json": CONFIG }
    const folder = await doneOf(cachedFolder({ directory: kept }, files))
    expect(readFileSync(path.join(folder, "config.json"), "utf8")).toBe("config")
    expect(readdirSync(folder).sort()).toEqual(["config.json", "model.safetensors"])
    expect(await doneOf(cachedFolder({ directory: kept }, files))).toBe(folder)
    expect(await doneOf(cachedFolder({ directory: kept }, { "weights.safetensors": WEIGHTS }))).not.toBe(folder)
    expect(asked).toEqual([WEIGHTS, CONFIG])
  })

  it("leaves out a model's ONNX twin, which is the edge's", async () => {
    const asked = gatewayWith(BLOBS)
    const folder = await doneOf(
      cachedModelFolder({ directory: directory() }, { "model.safetensors": WEIGHTS, "model.onnx": sha256("twin") }),
    )
    expect(readdirSync(folder)).toEqual(["model.safetensors"])
    expect(asked).toEqual([WEIGHTS])
  })

  it("goes on where an interrupted one stopped, also of a killed process", async () => {
    const asked: (string | null)[] = []
    gatewayWith({})
    const text = "0123456789"
    const digest = sha256(text)
    server.use(
      http.get(`${GATEWAY}/v1/blobs/:digest`, ({ request }) => {
        const range = request.headers.get("range")
        asked.push(range)
        const from = range === null ? 0 : Number(/\d+/.exec(range)![0])
        const headers = { "content-range": `bytes ${from}-9/10` }
        return new HttpResponse(text.slice(from), from === 0 ? {} : { status: 206, headers })
      }),
    )
    const kept = directory()
    const partial = path.join(kept, "blobs", `${digest}.${digest.slice(0, 16)}.partial`)
    mkdirSync(path.dirname(partial))
    writeFileSync(partial, "01234")
    expect(readFileSync(await doneOf(cachedBlob(kept, digest)), "utf8")).toBe(text)
    expect(asked).toEqual(["bytes=5-"])
    // Killed after the last byte, before the file had its name.
    const other = directory()
    mkdirSync(path.join(other, "blobs"))
    writeFileSync(path.join(other, "blobs", path.basename(partial)), text)
    await doneOf(cachedBlob(other, digest))
    expect(asked).toEqual(["bytes=5-"])
  })

  it("that the gateway does not have leaves no file", async () => {
    gatewayWith({})
    const kept = directory()
    expect(await failureOf(cachedBlob(kept, WEIGHTS))).toMatchObject({ _tag: "CallRefused", status: 404 })
    expect(readdirSync(path.join(kept, "blobs"))).toEqual([])
  })

  it("that does not fit on the disk fails before its first byte, for another try", async () => {
    const { server: gateway } = standIn(leasedJob())
    const headers = { "content-length": "1000000000000000000" }
    gateway.use(http.get(`${GATEWAY}/v1/blobs/:digest`, () => new HttpResponse("x", { headers })))
    gateway.listen({ onUnhandledFrame: "error" })
    close = () => gateway.close()
    const failure = await failureOf(cachedBlob(directory(), WEIGHTS))
    expect(failure).toMatchObject({ _tag: "JobFailed", retryable: true, cause: { _tag: "NotEnoughSpace" } })
    expect((failure as Error).message).toMatch(/are still to be fetched; make room there/)
  })

  it.each(["../config.json", "a/b", ".hidden", "", "x".repeat(129)])(
    "never takes %j for a file's name",
    async (name) => {
      gatewayWith(BLOBS)
      const kept = directory()
      const exit = await exitOf(cachedFolder({ directory: kept }, { [name]: CONFIG }))
      expect(JSON.stringify(exit)).toContain("refusing the file name")
      expect(JSON.stringify(exit)).toContain('"status":200')
      expect(JSON.stringify(exit)).toContain("CallRefused")
    },
  )
})

describe("a runner's own folder of models", () => {
  const own = (files: Readonly<Record<string, string>>) => {
    const folder = directory()
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
      writeFileSync(path.join(folder, name), text)
    }
    return folder
  }
  const storeOf = (folder: string, kept = directory()) => ({
    directory: kept,
    ownModels: new OwnModels(folder, path.join(kept, "own-models.json")),
  })
  const files = { "model.safetensors": WEIGHTS, "config.json": CONFIG }

  it("is looked through by name and digest, however deep; only what is not there is fetched", async () => {
    const asked = gatewayWith(BLOBS)
    const store = storeOf(own({ "a/model.safetensors": "other", "b/c/model.safetensors": "weights" }))
    const folder = await doneOf(cachedFolder(store, files))
    expect(readFileSync(path.join(folder, "model.safetensors"), "utf8")).toBe("weights")
    expect(asked).toEqual([CONFIG])
    expect(readdirSync(path.join(store.directory, "blobs"))).toEqual([CONFIG])
    expect(await doneOf(cachedFolder(storeOf(directory(), store.directory), files))).toBe(folder)
    expect(asked).toEqual([CONFIG, WEIGHTS])
  })

  it("whose file differs by one byte is refused by name where nobody else has it, and passed over where the gateway has", async () => {
    gatewayWith({ [CONFIG]: "config" })
    const folder = own({ "model.safetensors": "weightz" })
    const failure = await failureOf(cachedFolder(storeOf(folder), files))
    // Another runner may have it in a folder of its own.
    expect(failure).toMatchObject({ _tag: "JobFailed", retryable: false, isBeyondRunner: true })
    expect((failure as Error).message).toContain(
      `is stored neither here nor at the gateway; ${path.join(folder, "model.safetensors")} is another file of that name`,
    )
    close()
    const asked = gatewayWith(BLOBS)
    const made = await doneOf(cachedFolder(storeOf(folder), files))
    expect(readFileSync(path.join(made, "model.safetensors"), "utf8")).toBe("weights")
    expect(asked).toEqual([WEIGHTS, CONFIG])
  })

  it("whose file is changed later is not used any more", async () => {
    const asked = gatewayWith(BLOBS)
    const folder = own({ "model.safetensors": "weights" })
    const store = storeOf(folder)
    await doneOf(cachedFolder(store, files))
    expect(asked).toEqual([CONFIG])
    writeFileSync(path.join(folder, "model.safetensors"), "WEIGHTS")
    utimesSync(path.join(folder, "model.safetensors"), 1, 1)
    const again = await doneOf(cachedFolder(storeOf(folder, store.directory), files))
    expect(readFileSync(path.join(again, "model.safetensors"), "utf8")).toBe("weights")
    expect(asked).toEqual([CONFIG, WEIGHTS])
  })
})

describe("weights that are on a hub only", () => {
  const REPOSITORY = "acme/tiny-1.5"
  let hub: LocalHub
  let commit: string
  beforeEach(async () => {
    hub = await startLocalHub(REPOSITORY)
    commit = hub.commit({ "model.safetensors": { content: new TextEncoder().encode("weights"), isLarge: true } })
  })
  afterEach(() => hub.close())

  const fetchFrom = (
    files: Readonly<Record<string, string>>,
    kept = directory(),
    access: HubAccess = { endpoint: hub.endpoint, token: undefined },
  ) => {
    const stallMs = access.fetch === undefined ? 10_000 : 50
    const store = { directory: kept, hub: access, hubPatience: { retryDelayMs: 1, stallMs } }
    return cachedFolder(store, files, { repository: REPOSITORY, commit })
  }

  it("are fetched there, what the gateway has from it", async () => {
    gatewayWith({ [CONFIG]: "config" })
    const folder = await doneOf(fetchFrom({ "model.safetensors": WEIGHTS, "config.json": CONFIG }))
    expect(readFileSync(path.join(folder, "model.safetensors"), "utf8")).toBe("weights")
    expect(readFileSync(path.join(folder, "config.json"), "utf8")).toBe("config")
  })

  it("are refused where the hub serves other bytes than were registered, and not kept", async () => {
    gatewayWith({})
    const kept = directory()
    const other = sha256("other weights")
    const failure = await failureOf(fetchFrom({ "model.safetensors": other }, kept))
    expect(failure).toMatchObject({ _tag: "JobFailed", retryable: false, cause: { _tag: "HubServesOtherBytes" } })
    expect((failure as Error).message).toContain(`has the digest ${WEIGHTS} at the hub, and ${other} was registered`)
    expect(readdirSync(path.join(kept, "blobs"))).toEqual([])
  })

  it("fail a job that says so where the hub does not have them either", async () => {
    gatewayWith({})
    const failure = await failureOf(fetchFrom({ "model-00001-of-00001.safetensors": WEIGHTS }))
    expect(failure).toMatchObject({ _tag: "JobFailed", retryable: false, cause: { _tag: "HubRefused" } })
  })

  describe("and cannot be had there by this runner", () => {
    const WANTED = { "model.safetensors": WEIGHTS }
    const IS_AWAY = { _tag: "JobFailed", retryable: true, isBeyondRunner: true, cause: { _tag: "HubAway" } }

    it("because the hub is away for a while, are for others to fetch; it is told what is waited for, and what came is kept", async () => {
      gatewayWith({})
      const kept = directory()
      hub.misbehave("/storage/", { kind: "status", status: 503, times: 3 })
      hub.misbehave("/storage/", { kind: "break", afterBytes: 3, times: 1 })
      const failure = await failureOf(fetchFrom(WANTED, kept))
      expect(failure).toMatchObject(IS_AWAY)
      expect((failure as Error).message).toMatch(
        `the hub ${hub.endpoint} does not answer (it answers 503), and model.safetensors of ${REPOSITORY} is there only; it is asked again`,
      )
      const folder = await doneOf(fetchFrom(WANTED, kept))
      expect(readFileSync(path.join(folder, "model.safetensors"), "utf8")).toBe("weights")
      expect(hub.requests.at(-1)!.range).toBe("bytes=3-")
    })

    it("because nobody listens there", async () => {
      gatewayWith({})
      await hub.close()
      const failure = await failureOf(fetchFrom(WANTED))
      expect(failure).toMatchObject(IS_AWAY)
      expect((failure as Error).message).toMatch(/does not answer \(connection refused \(127\.0\.0\.1:\d+\)\)/)
      hub = await startLocalHub(REPOSITORY)
    })

    it.each([
      ["before the first byte", []],
      ["in the middle of a file", ["wei"]],
    ])("because the hub hangs %s", async (_, pieces) => {
      gatewayWith({})
      const hanging: typeof fetch = async (_url, { signal } = {}) => {
        const ended = new Promise<never>((_resolve, reject) => {
          signal!.addEventListener("abort", () => reject(signal!.reason))
        })
        if (pieces.length === 0) return ended
        const body = async function* () {
          yield* pieces.map((piece) => new TextEncoder().encode(piece))
          await ended
        }
        return new Response(ReadableStream.from(body()), { headers: { "content-length": "7" } })
      }
      const access = { endpoint: hub.endpoint, token: undefined, fetch: hanging }
      const failure = await failureOf(fetchFrom(WANTED, directory(), access))
      expect(failure).toMatchObject(IS_AWAY)
      expect((failure as Error).message).toContain("does not answer (nothing came for 0.05 s)")
    })

    it.each([401, 403])("because the hub refuses it with %i", async (status) => {
      gatewayWith({})
      hub.misbehave("/storage/", { kind: "status", status, times: 1 })
      const failure = await failureOf(fetchFrom(WANTED))
      expect(failure).toMatchObject({ retryable: false, isBeyondRunner: true, cause: { _tag: "HubRefused", status } })
      expect((failure as Error).message).toContain("set HF_TOKEN to a token")
    })
  })
})
