// Folders for what a user names: made one by one, and refused where none can be made. Node's own recursive making would never come back
// from /proc, so what could hang runs in a process with a time limit.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, symlinkSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, expect, it, test } from "vitest"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { createWorkspace } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const root = fileURLToPath(new URL("../../..", import.meta.url))

/** The code and the message with which making a folder fails; undefined where it is made. */
const refusal = (folder: string): readonly [string | undefined, string] | undefined => {
  try {
    makeFolder(folder)
    return undefined
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return [code, message]
  }
}

it("makes what is missing of a path, and leaves a folder that is there", () => {
  const file = workspace.write("there/file", "kept")
  const folder = path.join(workspace.at("there"), "a", "b", "c")
  makeFolder(folder)
  makeFolder(folder)
  makeFolder(`${folder}/../d/`)
  expect([folder, path.join(workspace.at("there"), "a/b/d")].map((made) => existsSync(made))).toEqual([true, true])
  expect(readFileSync(file, "utf8")).toBe("kept")
})

it("a file, what lies below one, and a link to nothing are no folders", () => {
  const file = workspace.write("file", "")
  const link = workspace.at("link")
  symlinkSync(workspace.at("nothing"), link)
  expect(refusal(file)?.[0]).toBe("EEXIST")
  expect(refusal(path.join(file, "a", "b"))?.[0]).toBe("ENOTDIR")
  expect(refusal(path.join(link, "a"))?.[0]).toBe("EEXIST")
})

it.runIf(process.platform === "linux")("a file system that takes no folder is named, at once", () => {
  const source = `import { makeFolder } from ${JSON.stringify(path.join(root, "gpu-runner/data/make-folder.ts"))}
    for (const folder of ["/proc/nope", "/proc/nope/a/b"])
      try { makeFolder(folder) } catch ({ code, message }) { console.log(code, message) }`
  const arguments_ = ["--input-type=module-typescript", "-e", source]
  const { stdout, signal } = spawnSync(process.execPath, arguments_, { encoding: "utf8", timeout: 20_000 })
  expect(signal).toBeNull()
  expect(stdout).toBe("ENOENT no folder can be made in /proc\n".repeat(2))
})

test("no other code of what runs makes folders recursively", () => {
  const search = ["grep", "-lE", "mkdir(Sync)?\\(.*recursive", "--", "gpu-runner", "infra/local", "infra/demo"]
  const { stdout, status } = spawnSync("git", search, { cwd: root, encoding: "utf8" })
  expect(stdout.split("\n").filter((file) => file.endsWith(".ts"))).toEqual([])
  expect(status).toBe(1)
})
