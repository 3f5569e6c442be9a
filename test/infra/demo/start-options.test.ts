// What `npm start` refuses before anything is started. Its options are the process's own, so it is started as one.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it } from "vitest"
import { UsageError } from "#gpu-runner/cli/command.ts"
import { parseOptions } from "#infra/demo/start-options.ts"

it("bad usage is exit code 2 and points to the help, as with `yohaku`; nothing is written", () => {
  const cwd = mkdtempSync(path.join(tmpdir(), "yohaku-start-"))
  const program = path.resolve(import.meta.dirname, "../../../infra/demo/start.ts")
  const told = (...options: readonly string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [program, ...options], { cwd, encoding: "utf8" })
    return [status, stderr]
  }
  const HINT = "(npm start -- --help)\n"
  expect(told("--port", "-1")).toEqual([2, `yohaku: --port "-1": give a whole number from 1 to 65535 ${HINT}`])
  expect(told("--state", "")).toEqual([2, `yohaku: --state is empty; give a directory ${HINT}`])
  expect(told("--prot", "3")).toEqual([2, `yohaku: Unknown option '--prot' ${HINT}`])
  expect(told("--traffic", "nowhere.jsonl")).toEqual([1, "yohaku: nowhere.jsonl does not exist\n"])
  expect(readdirSync(cwd)).toEqual([])
})

it.each([
  [["8911"], { npm_config_port: "true" }, "--port 8911"],
  [[], { npm_config_port: "8911" }, "--port 8911"],
  [[], { npm_config_once: "true" }, "--once"],
  [["/my state"], { npm_config_replay: "true", npm_config_state: "true" }, "--replay --state '/my state'"],
  [[], { npm_config_state: "true" }, "--state …"],
])("options that npm kept for itself (%j, %j) are answered with the command as it was meant", (words, kept, meant) => {
  const parse = () => parseOptions(words, { npm_lifecycle_event: "start", ...kept })
  expect(parse).toThrow(
    new UsageError(`npm keeps options for itself that do not follow a --: write npm start -- ${meant}`),
  )
})

it("npm's own options, and those of another script that starts the demo, are none of npm start's", () => {
  expect(parseOptions([], { npm_lifecycle_event: "start", npm_config_json: "true" }).json).toBe(false)
  expect(parseOptions(["--once"], { npm_lifecycle_event: "test", npm_config_port: "1" })).toMatchObject({
    once: true,
    port: 8787,
  })
})
