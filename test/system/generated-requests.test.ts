// Some of the generated requests of test/bench/requests.ts, against a system of its own: none fails, none hangs, what was acknowledged is
// stored, and what was refused is not.
import { readdirSync, readFileSync } from "node:fs"
import { request } from "node:http"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { requestsFailures, sendGeneratedRequests } from "#test/bench/load/generated-requests.ts"
import { type RunningSystem, root, startSystem } from "#test/bench/load/running-system.ts"
import { digestOf } from "#test/bench/load/valid-bodies.ts"
import { isFullRun } from "#test/full-run.ts"

let system: RunningSystem
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system.stop())

const REQUESTS = isFullRun ? 6000 : 400
/** Of 47 operations; those of leases and channels seldom find what they need among so few requests. */
const FEWEST_USED_WELL = 28

describe("a running system", () => {
  it("answers generated requests, good and hostile, and keeps its word", async () => {
    const options = {
      requests: REQUESTS,
      seed: 2026,
      concurrency: 16,
      onProgress: () => undefined,
      onFault: () => undefined,
    }
    const result = await sendGeneratedRequests(system, options)
    expect(requestsFailures(result)).toEqual([])
    expect(result.reckoning.acknowledged).toBeGreaterThan(REQUESTS / 60)
    expect(result.reckoning.refused).toBeGreaterThan(REQUESTS / 60)
    const usedWell = Object.values(result.operations).filter(({ succeeded }) => succeeded > 0)
    expect(usedWell.length).toBeGreaterThan(FEWEST_USED_WELL)
  })

  it("opens nothing of wrangler's own beside the gateway, and keeps no traces of requests", async () => {
    for (const path of ["explorer/", "explorer/api/d1/database", "explorer/api/local/workers"])
      expect((await fetch(`${system.url}/cdn-cgi/${path}`)).status).toBe(404)
    expect(readdirSync(`${system.stateDirectory}/workers/v3`)).not.toContain("observability")
  })

  it("sends a blob with its length, not in pieces of a stream", async () => {
    const weights = readFileSync(path.join(root, "infra/demo/model/model.safetensors"))
    const headers = { authorization: `Bearer ${system.adminKey}` }
    const response = await fetch(`${system.url}/v1/blobs/${digestOf(weights)}`, { headers })
    expect(response.headers.get("content-length")).toBe(String(weights.length))
    expect(digestOf(new Uint8Array(await response.arrayBuffer()))).toBe(digestOf(weights))
  })

  it("takes HEAD with a body as GET without one", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { "content-length": "2" }
      const outgoing = request(`${system.url}/healthz`, { method: "HEAD", headers }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      outgoing.on("error", reject)
      outgoing.end("{}")
    })
    expect(status).toBe(200)
  })
})
