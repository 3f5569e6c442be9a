// `yohaku serve`: what its options may say. What it answers: test/gpu/serve.
import { afterAll, expect, test } from "vitest"
import { accessCheck } from "#gpu-runner/serve/access.ts"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace, writeTinyAdapter, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const model = writeTinyModel(workspace)
const shortKey = workspace.write("short-key", "abc\n")

test.each<[readonly string[], RegExp]>([
  [["--adapter", "dir"], /--adapter dir: give NAME=DIR/],
  [["--adapter", "a=x", "--adapter", "a=y"], /--adapter a=… is given twice/],
  [["--adapter", "model=x"], /--adapter model=… has the name of the base/],
  [["--host", "0.0.0.0"], /--host 0\.0\.0\.0 may be reached by others, and nobody would need a key.*--without-key/],
  [["--api-key-file", shortKey], /--api-key-file .*short-key holds no key: put at least 8/],
  [["--api-key-file", "nowhere"], /--api-key-file nowhere cannot be read/],
  [["--port", "0"], /--port "0": give a whole number from 1 to 65535/],
  [["--batch", "0"], /--batch 0: give a whole number from 1 to 1024/],
  [["--max-length", "1"], /--max-length 1: a prompt and its answer have at least 2 tokens/],
  [["--max-length", "100000"], /--max-length 100000: give a whole number from 1 to \d+/],
  [["--name", "support"], /--name belongs to --url/],
  [["--url", "https://yohaku.example.com"], /--url needs --name/],
])("%j is refused before a device is opened", async (more, fault) => {
  const { code, told } = await runYohaku("serve", "--model", model, ...more)
  expect([code, told]).toEqual([2, expect.stringMatching(fault)])
})

test("a model is told, or the registry that has it", async () => {
  const { code, told } = await runYohaku("serve")
  expect([code, told]).toEqual([2, expect.stringMatching(/--model is missing; or say --url and --name, whose base/)])
})

test("an adapter of another base is refused", async () => {
  const other = await writeTinyAdapter(workspace, writeTinyModel(workspace, "other", 9))
  const { code, told } = await runYohaku("serve", "--model", model, "--adapter", `tuned=${other}`)
  expect([code, told]).toEqual([1, expect.stringMatching(/adapter/)])
})

test("without a key only who asks this machine by its own name is answered", () => {
  const check = accessCheck({ apiKey: undefined, host: "127.0.0.1" })
  const asks = (host: string) => () => check({ headers: { host } } as never)
  for (const host of ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "localhost"]) expect(asks(host)).not.toThrow()
  for (const host of ["evil.example:8000", "", "127.0.0.1.evil.example"]) {
    expect(asks(host)).toThrow(expect.objectContaining({ code: "host_not_allowed" }))
  }
  expect(() => accessCheck({ apiKey: undefined, host: "0.0.0.0" })({ headers: { host: "x" } } as never)).not.toThrow()
})
