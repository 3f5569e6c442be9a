// One writer a folder: a second one is refused by name, a dead one's lock is no hindrance.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { fileURLToPath } from "node:url"
import { afterAll, expect, test } from "vitest"
import { FolderInUse } from "#gpu-runner/data/errors.ts"
import { LOCK_FILE, lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const module = fileURLToPath(new URL("../../../../gpu-runner/data/run/folder-lock.ts", import.meta.url))

/** Source of a process that takes the folder, says so, and does something after it. */
const taking = (folder: string, then: string) =>
  `import { lockFolder } from ${JSON.stringify(module)}; lockFolder(${JSON.stringify(folder)}); console.log("taken"); ${then}`
const node = (source: string) => [
  "--input-type=module-typescript",
  "--disable-warning=ExperimentalWarning",
  "-e",
  source,
]

test("a folder is taken once in a process, and free again when given back", () => {
  const folder = workspace.at("here")
  const unlock = lockFolder(folder)
  expect(() => lockFolder(folder)).toThrow(FolderInUse)
  expect(() => lockFolder(folder)).toThrow(/this very process is training into it; wait for it or choose another --out/)
  unlock()
  expect(existsSync(folder)).toBe(false)
  lockFolder(folder)()
})

test("a folder into which something was written stays, without its lock", () => {
  const unlock = lockFolder(workspace.at("written"))
  workspace.write("written/file", "x")
  unlock()
  expect(readdirSync(workspace.at("written"))).toEqual(["file"])
})

test("a living process keeps others out; killed with signal 9, it no longer does", async () => {
  const folder = workspace.at("there")
  const child = spawn(process.execPath, node(taking(folder, "setInterval(() => {}, 1000)")), {
    stdio: ["ignore", "pipe", "inherit"],
  })
  await new Promise((resolve) => child.stdout.once("data", resolve))
  expect(() => lockFolder(folder)).toThrow(`process ${child.pid} is training into it`)
  const ended = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGKILL")
  await ended
  expect(existsSync(workspace.at("there", LOCK_FILE))).toBe(true)
  lockFolder(folder)()
  expect(existsSync(workspace.at("there", LOCK_FILE))).toBe(false)
})

test("a number that another process has by now, this one among them, is no holder", () => {
  const folder = workspace.at("reused")
  for (const pid of [process.pid, process.ppid]) {
    workspace.write(`reused/${LOCK_FILE}`, JSON.stringify({ pid, host: hostname(), born: "long ago" }))
    lockFolder(folder)()
  }
})

test("a holder on another machine, or one that cannot be read, counts while its lock is fresh", () => {
  const folder = workspace.at("elsewhere")
  const file = workspace.at("elsewhere", LOCK_FILE)
  for (const content of [JSON.stringify({ pid: 7, host: "elsewhere", born: "" }), "{"]) {
    workspace.write(`elsewhere/${LOCK_FILE}`, content)
    expect(() => lockFolder(folder)).toThrow(FolderInUse)
    expect(readFileSync(file, "utf8")).toBe(content)
    const longAgo = new Date(Date.now() - 300_000)
    utimesSync(file, longAgo, longAgo)
    lockFolder(folder)()
  }
})

test("of many processes that find a dead one's lock at once, one gets the folder", async () => {
  const folder = workspace.at("raced")
  spawnSync(process.execPath, node(taking(folder, "process.kill(process.pid, 'SIGKILL')")))
  expect(existsSync(workspace.at("raced", LOCK_FILE))).toBe(true)
  const start = workspace.at("start")
  const waiting = `import { existsSync } from "node:fs"; while (!existsSync(${JSON.stringify(start)})); `
  const children = Array.from({ length: 6 }, () => {
    const source = waiting + taking(folder, "setTimeout(() => process.exit(), 1500)")
    const child = spawn(process.execPath, node(source), { stdio: ["ignore", "pipe", "pipe"] })
    let told = ""
    child.stdout.on("data", (bytes: Buffer) => {
      told += bytes.toString()
    })
    return new Promise<string>((resolve) => child.once("exit", () => resolve(told)))
  })
  writeFileSync(start, "")
  const told = await Promise.all(children)
  expect(told.filter((text) => text.includes("taken"))).toHaveLength(1)
})
