// The orchestrator's tests run inside workerd with its own wrangler.toml: real Durable Objects, D1, R2 and KV. The scorer is
// another worker over the real service binding, which writes real records into the same KV (scorer-stand-in.js).
import { readFileSync } from "node:fs"
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin"
import { defineConfig } from "vitest/config"

const fromRoot = (path: string): string => new URL(`../../../${path}`, import.meta.url).pathname
const SCORER = readFileSync(new URL("scorer-stand-in.js", import.meta.url).pathname, "utf8")

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: fromRoot("workers/orchestrator/wrangler.toml") },
      miniflare: {
        bindings: {
          MIGRATIONS: await readD1Migrations(fromRoot("infra/migrations")),
          YOHAKU_LEASE_MS: "1500",
          YOHAKU_RETRY_BASE_MS: "20",
          YOHAKU_KV_SETTLE_MS: "20",
          YOHAKU_DECLINED_MS: "3000",
        },
        workers: [
          {
            name: "yohaku-scorer",
            compatibilityDate: "2026-11-01",
            modules: [{ type: "ESModule", path: "scorer.js", contents: SCORER }],
            d1Databases: { DB: "00000000-0000-0000-0000-000000000001" },
            kvNamespaces: { REFERENCES: "00000000000000000000000000000001" },
          },
        ],
      },
    })),
  ],
  test: {
    name: "orchestrator",
    // One isolate for all files: every test begins with empty stores.
    isolate: false,
    maxWorkers: 1,
    sequence: { groupOrder: 3 },
    include: [fromRoot("test/workers/orchestrator/**/*.test.ts")],
    testTimeout: 60_000,
    hookTimeout: 30_000,
  },
})
