// What `npm start` refuses before anything is started. Its options are the process's own, so it is started as one.
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it } from "vitest"

it("a port that is none is refused in the words of `yohaku up`, and an empty state directory is none", () => {
  const cwd = mkdtempSync(path.join(tmpdir(), "yohaku-start-"))
  const program = path.resolve(import.meta.dirname, "../../../infra/demo/start.ts")
  const told = (...options: readonly string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [program, ...options], { cwd, encoding: "utf8" })
    return [status, stderr]
  }
  expect(told("--port", "-1")).toEqual([1, 'yohaku: --port "-1": give a whole number from 1 to 65535\n'])
  expect(told("--state", "")).toEqual([1, "yohaku: --state is empty; give a directory\n"])
  expect(readdirSync(cwd)).toEqual([])
})
