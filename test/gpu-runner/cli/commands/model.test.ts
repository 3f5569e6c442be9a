// `yohaku model` and `--model owner/name` on the command line, against a hub on this machine.
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest"
import { modelDirectory, pulledModels } from "#gpu-runner/data/hub/model-cache.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import { type LocalHub, repositoryOf, startLocalHub } from "../../data/hub/local-hub.ts"
import { createWorkspace, writeTinyModel } from "../../support/tiny-folder.ts"

const REPOSITORY = "acme/tiny-1.5"
const workspace = createWorkspace()
afterAll(workspace.remove)

let hub: LocalHub
beforeEach(async () => {
  hub = await startLocalHub(REPOSITORY)
  hub.commit(repositoryOf(writeTinyModel(workspace)))
  vi.stubEnv("XDG_CACHE_HOME", workspace.at("cache"))
  vi.stubEnv("HF_ENDPOINT", `${hub.endpoint}/`)
})
afterEach(() => {
  vi.unstubAllEnvs()
  return hub.close()
})

test("model pull, model list, and --model owner/name, which never fetches by itself", async () => {
  const early = await runYohaku("export", "--model", REPOSITORY, "--format", "onnx", "--out", workspace.at("onnx"))
  expect(early).toMatchObject({
    code: 1,
    told: expect.stringMatching(/fetch it with: yohaku model pull acme\/tiny-1\.5$/),
  })
  expect((await runYohaku("model", "list")).printed).toMatch(/^no models were pulled/)
  const { code, printed } = await runYohaku("model", "pull", REPOSITORY)
  expect(code).toBe(0)
  const directory = workspace.at("cache", "yohaku", "models", "acme--tiny-1.5")
  expect(printed).toMatch(/acme--tiny-1\.5: acme\/tiny-1\.5 at [0-9a-f]{12}, 4 files fetched/)
  expect(JSON.parse((await runYohaku("model", "pull", REPOSITORY, "--json")).printed)).toMatchObject({
    directory,
    fetched: [],
  })
  expect((await runYohaku("model", "list")).printed).toMatch(
    /^acme\/tiny-1\.5 {2}main at [0-9a-f]{12} {2}\d+(\.\d+)? kB {2}/,
  )
  expect(pulledModels()).toMatchObject([{ repository: REPOSITORY, isComplete: true, directory }])
  expect((await readModelFolder(REPOSITORY)).directory).toBe(directory)
})

test.each([
  [["model"], /say `yohaku model pull owner\/name`/],
  [["model", "push", "a/b"], /say `yohaku model pull owner\/name`/],
  [["model", "pull", "tiny"], /tiny is no owner\/name/],
  [["model", "pull", "a/b", "c"], /"c" is one word too many/],
])("%j is a usage error", async (argv, message) => {
  const { code, told } = await runYohaku(...argv)
  expect(code).toBe(2)
  expect(told).toMatch(message)
})

test("a folder on disk goes before a pulled model of the same name", () => {
  const inside = process.cwd()
  try {
    process.chdir(workspace.directory)
    workspace.write("acme/here/config.json", "{}")
    expect(modelDirectory("acme/here")).toBe("acme/here")
  } finally {
    process.chdir(inside)
  }
})

test("model push with a name that cannot be is refused before anything is read or sent", async () => {
  const push = ["model", "push", "--url", "http://127.0.0.1:1", "--name", "My Base", "--model", workspace.at("none")]
  expect(await runYohaku(...push)).toMatchObject({
    code: 2,
    told: expect.stringContaining("--name My Base: use 1 to 64 lower-case letters, digits"),
  })
})
