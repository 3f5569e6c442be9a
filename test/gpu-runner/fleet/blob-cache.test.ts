import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect, Exit } from "effect"
import { HttpResponse, http } from "msw"
import { afterEach, describe, expect, it } from "vitest"
import { cachedBlob, cachedFolder, cachedModelFolder } from "#gpu-runner/fleet/blob-cache.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import type { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { GATEWAY, leasedJob, sha256, standIn, TOKEN } from "./gateway-stand-in.ts"

let close: () => void = () => undefined
afterEach(() => close())

/** A gateway that holds these blobs by their digests; `asked` are the digests that were fetched from it. */
const gatewayWith = (blobs: Readonly<Record<string, string>>) => {
  const asked: string[] = []
  const { server } = standIn(leasedJob())
  server.use(
    http.get(`${GATEWAY}/v1/blobs/:digest`, ({ params }) => {
      const digest = String(params.digest)
      asked.push(digest)
      return new HttpResponse(blobs[digest], { headers: { "content-type": "application/octet-stream" } })
    }),
  )
  server.listen({ onUnhandledFrame: "error" })
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

  it("is refused and not kept where its bytes are not what its digest says", async () => {
    gatewayWith({ [WEIGHTS]: "other weights" })
    const kept = directory()
    const exit = await exitOf(cachedBlob(kept, WEIGHTS))
    expect(JSON.stringify(exit)).toContain(`blob ${WEIGHTS} arrived with other content; the store is damaged`)
    expect(readdirSync(kept)).toEqual([])
  })

  it("is a folder under its files' names; the same files are the same folder, other names another", async () => {
    const asked = gatewayWith(BLOBS)
    const kept = directory()
    const files = { "model.safetensors": WEIGHTS, "config.json": CONFIG }
    const folder = await doneOf(cachedFolder(kept, files))
    expect(readFileSync(path.join(folder, "config.json"), "utf8")).toBe("config")
    expect(readdirSync(folder).sort()).toEqual(["config.json", "model.safetensors"])
    expect(await doneOf(cachedFolder(kept, files))).toBe(folder)
    expect(await doneOf(cachedFolder(kept, { "weights.safetensors": WEIGHTS }))).not.toBe(folder)
    expect(asked).toEqual([WEIGHTS, CONFIG])
  })

  it("leaves out a model's ONNX twin, which is the edge's", async () => {
    const asked = gatewayWith(BLOBS)
    const folder = await doneOf(
      cachedModelFolder(directory(), { "model.safetensors": WEIGHTS, "model.onnx": sha256("twin") }),
    )
    expect(readdirSync(folder)).toEqual(["model.safetensors"])
    expect(asked).toEqual([WEIGHTS])
  })

  it.each(["../config.json", "a/b", ".hidden", "", "x".repeat(129)])(
    "never takes %j for a file's name",
    async (name) => {
      gatewayWith(BLOBS)
      const kept = directory()
      const exit = await exitOf(cachedFolder(kept, { [name]: CONFIG }))
      expect(JSON.stringify(exit)).toContain("refusing the file name")
      expect(JSON.stringify(exit)).toContain('"status":200')
      expect(JSON.stringify(exit)).toContain("CallRefused")
    },
  )
})
