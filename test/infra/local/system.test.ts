// A local system is not started here: test/system/up.test.ts does that. Here is what becomes of one that is told to end while it starts, and what
// its runner is given.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it, vi } from "vitest"
import { LocalSystem } from "#infra/local/system.ts"

it("a system that was stopped starts no runner, which would outlive it", async () => {
  const stateDirectory = mkdtempSync(path.join(tmpdir(), "yohaku-system-"))
  const system = new LocalSystem({ root: stateDirectory, stateDirectory, port: 1, say: () => undefined })
  await system.stop()
  await expect(system.startRunner("key")).rejects.toThrow("the system is stopped")
  expect(existsSync(path.join(stateDirectory, "logs"))).toBe(false)
})

it("hands the judge's address and key on to its runner", async () => {
  const directory = mkdtempSync(path.join(tmpdir(), "yohaku-system-"))
  const program = path.join(directory, "gpu-runner/cli/yohaku.mjs")
  mkdirSync(path.dirname(program), { recursive: true })
  writeFileSync(
    program,
    `const { YOHAKU_JUDGE_URL, YOHAKU_JUDGE_KEY, YOHAKU_RUNNER_TOKEN } = process.env
     console.log([YOHAKU_JUDGE_URL, YOHAKU_JUDGE_KEY, YOHAKU_RUNNER_TOKEN].join(" "))
     setInterval(() => undefined, 60_000)`,
  )
  vi.stubEnv("YOHAKU_JUDGE_URL", "https://judge.example.com/v1").stubEnv("YOHAKU_JUDGE_KEY", "a-judges-key")
  const system = new LocalSystem({ root: directory, stateDirectory: directory, port: 1, say: () => undefined })
  try {
    await system.startRunner("token")
    const said = () => readFileSync(path.join(directory, "logs/runner.log"), "utf8")
    await vi.waitFor(() => expect(said()).toBe("https://judge.example.com/v1 a-judges-key token\n"), 15_000)
  } finally {
    await system.stop()
    vi.unstubAllEnvs()
  }
})
