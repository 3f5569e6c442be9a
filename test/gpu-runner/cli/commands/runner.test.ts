// `yohaku runner`, as far as it comes without a gateway.
import { afterAll, afterEach, expect, test, vi } from "vitest"
import { lockState } from "#infra/local/state-lock.ts"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
afterEach(() => vi.unstubAllEnvs())

test("a second runner of one directory is refused: to the gateway both would be one, and they would write each other's files", async () => {
  vi.stubEnv("YOHAKU_RUNNER_TOKEN", "yhk_local_x_y")
  const directory = workspace.at("runner")
  lockState(directory, 0)
  const { code, told } = await runYohaku("runner", "--url", "http://127.0.0.1:1", "--directory", directory)
  expect(code).toBe(2)
  expect(told).toContain(
    `a runner with the directory ${directory} runs already: process ${process.pid}; end it, or give this one another --directory`,
  )
})

test("an endpoint's address that is none is refused at the start, not at the first job that names one", async () => {
  vi.stubEnv("YOHAKU_RUNNER_TOKEN", "yhk_local_x_y")
  vi.stubEnv("YOHAKU_JUDGE_URL", "judge.example.com")
  const { code, told } = await runYohaku(
    "runner",
    "--url",
    "http://127.0.0.1:1",
    "--directory",
    workspace.at("judging"),
  )
  expect([code, told]).toEqual([2, expect.stringMatching(/YOHAKU_JUDGE_URL judge\.example\.com is no address/)])
})
