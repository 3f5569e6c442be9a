// One project a runtime. `unit` is plain Node; `gpu` runs kernels on Dawn (its lanes are chosen inside);
// `workers` runs inside workerd with real bindings; `system` starts real processes.
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "unit", include: ["test/{shared,reference,infra,gpu-runner}/**/*.test.ts"], testTimeout: 30_000 },
      },
      {
        test: {
          name: "gpu",
          include: ["test/gpu/**/*.test.ts"],
          pool: "forks",
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      "test/workers/*/vitest.config.ts",
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          pool: "forks",
          maxWorkers: 1,
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
