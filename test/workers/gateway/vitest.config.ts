// The gateway's tests run inside workerd with the root wrangler.toml: real D1, R2, Durable Object and queue. The orchestrator
// is another worker over the real service binding; the queue's consumer is one that only notes what it gets.
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin"
import { defineConfig } from "vitest/config"

const fromRoot = (path: string): string => new URL(`../../../${path}`, import.meta.url).pathname

const COMPATIBILITY_DATE = "2026-11-01"

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: fromRoot("wrangler.toml") },
      miniflare: {
        bindings: {
          MIGRATIONS: await readD1Migrations(fromRoot("infra/migrations")),
          YOHAKU_PEPPER: "a pepper of the tests, long enough to be one",
          YOHAKU_ADMIN_KEY: "yhk_test_admin_key",
          YOHAKU_ENVIRONMENT: "test",
        },
        serviceBindings: { CONSUMER: { name: "consumer", entrypoint: "Consumer" } },
        workers: [
          {
            name: "yohaku-orchestrator",
            compatibilityDate: COMPATIBILITY_DATE,
            d1Databases: { DB: "00000000-0000-0000-0000-000000000001" },
            modules: true,
            scriptPath: fromRoot("test/workers/gateway/orchestrator.js"),
          },
          {
            name: "consumer",
            compatibilityDate: COMPATIBILITY_DATE,
            queueConsumers: { "yohaku-ingest": { maxBatchSize: 100, maxBatchTimeout: 0 } },
            modules: true,
            scriptPath: fromRoot("test/workers/gateway/consumer.js"),
          },
        ],
      },
    })),
  ],
  test: {
    name: "gateway",
    // One isolate for all files: every test begins with empty stores.
    isolate: false,
    maxWorkers: 1,
    sequence: { groupOrder: 2 },
    include: [fromRoot("test/workers/gateway/**/*.test.ts")],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
