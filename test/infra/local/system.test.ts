// A local system is not started here: test/system/up.test.ts does that. Here is what becomes of one that is told to end while it starts.
import { existsSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it } from "vitest"
import { LocalSystem } from "#infra/local/system.ts"

it("a system that was stopped starts no runner, which would outlive it", async () => {
  const stateDirectory = mkdtempSync(path.join(tmpdir(), "yohaku-system-"))
  const system = new LocalSystem({ root: stateDirectory, stateDirectory, port: 1, say: () => undefined })
  await system.stop()
  await expect(system.startRunner("key")).rejects.toThrow("the system is stopped")
  expect(existsSync(path.join(stateDirectory, "logs"))).toBe(false)
})
