// `yohaku serve` as a process: it says where it serves, answers, and SIGTERM lets what is under way end before it exits with 0.
import { type ChildProcess, spawn } from "node:child_process"
import { afterAll, expect, test } from "vitest"
import { createWorkspace, writeTinyAdapter, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { freePort } from "#test/system/free-port.ts"
import { openStream, post } from "./served.ts"

const workspace = createWorkspace()
const started: ChildProcess[] = []
afterAll(() => {
  for (const child of started) child.kill("SIGKILL")
  workspace.remove()
})

function start(...argv: readonly string[]) {
  const child = spawn(process.execPath, ["gpu-runner/cli/yohaku.mjs", "serve", ...argv, "--json"], { stdio: "pipe" })
  started.push(child)
  let told = ""
  child.stderr.on("data", (bytes: Buffer) => (told += bytes.toString()))
  const { promise: line, resolve } = Promise.withResolvers<string>()
  child.stdout.once("data", (bytes: Buffer) => resolve(bytes.toString()))
  const { promise: code, resolve: exit } = Promise.withResolvers<number | null>()
  child.on("exit", (status) => {
    exit(status)
    resolve("null")
  })
  return { child, line, code, told: () => told }
}

test("it serves base and adapter, and ends with 0 after the streams under way", async () => {
  const model = writeTinyModel(workspace)
  const adapter = await writeTinyAdapter(workspace, model)
  const port = await freePort()
  const options = ["--model", model, "--adapter", `tuned=${adapter}`, "--port", `${port}`, "--max-length", "128"]
  const { child, line, code, told } = start(...options)
  const server = JSON.parse(await line)
  expect(server, told()).toMatchObject({ url: `http://127.0.0.1:${port}`, models: ["model", "tuned"], maxLength: 128 })
  expect(told()).toMatch(/^memory: weights .*; keys and values .* for 32 at once; .*; together /m)
  const ask = { prompt: "tea", temperature: 0, max_tokens: 100 }
  expect((await post(server, "completions", { ...ask, model: "model" })).status).toBe(200)
  const begun = openStream(server, "completions", { ...ask, model: "tuned" })
  await begun.begun
  child.kill("SIGTERM")
  expect(await begun.ended).toMatch(/\[DONE\]\n\n$/)
  expect(await code).toBe(0)
  expect(told()).toContain("ending: no new requests; those under way have 30 s")
})
