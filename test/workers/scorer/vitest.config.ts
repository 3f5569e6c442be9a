// The scorer's tests run inside workerd with its own wrangler.toml: real D1, R2, KV and queue. The orchestrator is another
// worker over the real service binding, one that only notes what it is told.
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin"
import { defineConfig } from "vitest/config"

const fromRoot = (path: string): string => new URL(`../../../${path}`, import.meta.url).pathname

const ORCHESTRATOR = `
import { WorkerEntrypoint } from "cloudflare:workers"
let calls = []
let failures = 0
export class Orchestrator extends WorkerEntrypoint {
  pairsReady(datasetId) {
    calls.push(datasetId)
    if (failures-- > 0) throw new Error("the orchestrator is restarting")
    return { ok: true, value: { runId: null } }
  }
  failNext(times) { failures = times }
  takeCalls() { const taken = calls; calls = []; failures = 0; return taken }
}
export default { fetch: () => new Response(null, { status: 404 }) }
`

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: fromRoot("workers/scorer/wrangler.toml") },
      miniflare: {
        queueProducers: { INGEST: "yohaku-ingest" },
        bindings: { MIGRATIONS: await readD1Migrations(fromRoot("infra/migrations")) },
        workers: [
          {
            name: "yohaku-orchestrator",
            compatibilityDate: "2026-11-01",
            modules: [{ type: "ESModule", path: "orchestrator.js", contents: ORCHESTRATOR }],
          },
        ],
      },
    })),
  ],
  test: {
    name: "scorer",
    // One isolate for all files: each start loads the 14 MB runtime again, and every test begins with empty stores.
    isolate: false,
    maxWorkers: 1,
    sequence: { groupOrder: 4 },
    include: [fromRoot("test/workers/scorer/**/*.test.ts")],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
