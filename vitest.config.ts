// One project a runtime. `unit` is plain Node; `gpu` runs kernels on Dawn (its lanes are chosen inside), `gpu-alone` those of its files that
// need a process of their own; `workers` runs inside workerd with real bindings; `system` starts real processes.
// Files of one project share a process where they can: what they import is loaded once, which is half of the time of most files.
import { defineConfig } from "vitest/config"

/** Files that choose the driver's settings before a device is opened, replace a module, or count what a device allocates from its first buffer. */
const ALONE = [
  "test/gpu/device.test.ts",
  "test/gpu/models/subgroups-of-*.test.ts",
  "test/gpu/trainer/memory.test.ts",
  "test/gpu/trainer/row-ranges.test.ts",
]

const GPU = {
  pool: "forks",
  maxWorkers: 1,
  testTimeout: 180_000,
  hookTimeout: 120_000,
} as const

// Projects of different numbers of workers, and those that share a process, each are a group: groups run one after another.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/{shared,reference,infra,gpu-runner,faults}/**/*.test.ts", "test/workers/runner/*.test.ts"],
          isolate: false,
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...GPU,
          name: "gpu",
          include: ["test/gpu/**/*.test.ts"],
          exclude: ALONE,
          isolate: false,
          sequence: { groupOrder: 5 },
        },
      },
      { test: { ...GPU, name: "gpu-alone", include: ALONE } },
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
