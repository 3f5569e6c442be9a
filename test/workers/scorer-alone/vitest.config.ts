// What needs an isolate of the scorer that nothing else was computed in: memory of WebAssembly never shrinks, and may be in pieces.
import { cloudflareTest } from "@cloudflare/vitest-plugin"
import { defineConfig } from "vitest/config"

const fromRoot = (path: string): string => new URL(`../../../${path}`, import.meta.url).pathname

const ORCHESTRATOR = `
import { WorkerEntrypoint } from "cloudflare:workers"
export class Orchestrator extends WorkerEntrypoint {}
export default { fetch: () => new Response(null, { status: 404 }) }
`

export default defineConfig({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: fromRoot("workers/scorer/wrangler.toml") },
      miniflare: {
        workers: [
          {
            name: "yohaku-orchestrator",
            compatibilityDate: "2026-11-01",
            modules: [{ type: "ESModule", path: "orchestrator.js", contents: ORCHESTRATOR }],
          },
        ],
      },
    }),
  ],
  test: {
    name: "scorer-alone",
    maxWorkers: 1,
    sequence: { groupOrder: 6 },
    include: [fromRoot("test/workers/scorer-alone/**/*.test.ts")],
    testTimeout: 60_000,
  },
})
