// When wrangler is asked to migrate, and what becomes of it. A script stands in for it, since the real one takes seconds each time;
// test/system/up.test.ts kills a start while the real one works.
import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { expect, it, vi } from "vitest"
import { migrate } from "#infra/local/migration.ts"
import { isRunning, type ProcessIdentity } from "#infra/local/process-identity.ts"
import { ProcessTable } from "#infra/local/processes.ts"
import { LocalSystem } from "#infra/local/system.ts"
import { freePort } from "#test/system/free-port.ts"

/** In the directory after --persist-to, which is the last argument. */
const MAKES_A_DATABASE = `
  for directory in "$@"; do :; done
  databases="$directory/v3/d1/miniflare-D1DatabaseObject"
  mkdir -p "$databases" && echo data > "$databases/${"a".repeat(64)}.sqlite"
  for file in "$directory"/*.sql; do [ -e "$file" ] && cp "$file" "$0.sql"; done; true`

/** A root whose wrangler is this script, and a state directory in it. */
const rootWith = (script: string) => {
  const root = mkdtempSync(path.join(tmpdir(), "yohaku-migration-"))
  const program = path.join(root, "node_modules/.bin/wrangler")
  mkdirSync(path.dirname(program), { recursive: true })
  mkdirSync(path.join(root, "infra/migrations"), { recursive: true })
  writeFileSync(path.join(root, "infra/migrations/0001.sql"), "SELECT 1;")
  writeFileSync(program, `#!/bin/sh\necho "$@" >> ${root}/calls\n${script}\n`)
  chmodSync(program, 0o755)
  const stateDirectory = path.join(root, "state")
  const lines: string[] = []
  const say = (line: string) => void lines.push(line)
  const asked = () => readFileSync(path.join(root, "calls"), "utf8").trimEnd().split("\n")
  const calls = () => asked().length
  /** What wrangler was to execute as one file. */
  const executed = () => readFileSync(`${program}.sql`, "utf8")
  const again = () => migrate(new ProcessTable(stateDirectory), { root, stateDirectory, say })
  const recorded = () =>
    JSON.parse(readFileSync(path.join(stateDirectory, "processes.json"), "utf8")) as (ProcessIdentity & {
      name: string
    })[]
  return { root, stateDirectory, lines, say, asked, calls, executed, again, recorded }
}

it("a database is migrated once, and again when there are new migrations or it is not the one that was migrated", async () => {
  const { root, stateDirectory, lines, calls, again, recorded } = rootWith(MAKES_A_DATABASE)
  await again()
  await again()
  expect([calls(), recorded()]).toEqual([1, []])
  writeFileSync(path.join(root, "infra/migrations/0002.sql"), "SELECT 2;")
  await again()
  await again()
  expect([calls(), lines]).toEqual([2, []])
  const databases = path.join(stateDirectory, "workers/v3/d1/miniflare-D1DatabaseObject")
  rmSync(databases, { recursive: true })
  await again()
  await again()
  expect(calls()).toBe(3)
  expect(lines).toEqual([
    `the database of ${stateDirectory} is gone: an empty one is made. To have the old one back, end this, restore the folder workers/v3/d1 and start again`,
  ])
  const database = path.join(databases, `${"a".repeat(64)}.sqlite`)
  writeFileSync(`${database}.other`, "")
  renameSync(`${database}.other`, database)
  await again()
  expect([calls(), lines.length]).toEqual([4, 1])
})

it("a migration that fails is told with the end of its log, and is tried again by the next start", async () => {
  const { calls, again } = rootWith("printf '\\033[31mno such table\\033[0m\\n' >&2; exit 3")
  await expect(again()).rejects.toThrow(
    /^the database could not be migrated \(exit code 3\):\n(.*\n)*no such table\nThe whole log: \S+\/logs\/migration\.log$/,
  )
  await expect(again()).rejects.toThrow("no such table")
  expect(calls()).toBe(2)
})

it("a new database gets all migrations and their names as one file, another only what it lacks", async () => {
  const { root, stateDirectory, asked, executed, again } = rootWith(MAKES_A_DATABASE)
  writeFileSync(path.join(root, "infra/migrations/0002.sql"), "SELECT 2;")
  await again()
  const file = path.join(stateDirectory, "workers/migrations.sql")
  const [made] = asked()
  expect(made).toBe(`d1 execute yohaku --file ${file} --local --persist-to ${path.join(stateDirectory, "workers")}`)
  expect(executed().slice(executed().indexOf("SELECT"))).toBe(
    "SELECT 1;\nINSERT INTO d1_migrations (name) VALUES ('0001.sql');\nSELECT 2;\nINSERT INTO d1_migrations (name) VALUES ('0002.sql');",
  )
  expect(existsSync(file)).toBe(false)
  writeFileSync(path.join(root, "infra/migrations/0003.sql"), "SELECT 3;")
  await again()
  expect(asked()[1]).toBe(`d1 migrations apply yohaku --local --persist-to ${path.join(stateDirectory, "workers")}`)
})

it("a start that is killed meanwhile leaves a migration that the next start ends before its own", async () => {
  const { root, stateDirectory, recorded, again } = rootWith(
    `[ -e "$0.first" ] || { touch "$0.first"; exec sleep 60; }; ${MAKES_A_DATABASE}`,
  )
  const at = (name: string) => JSON.stringify(path.resolve(import.meta.dirname, "../../../infra/local", name))
  const script = `
    import { migrate } from ${at("migration.ts")}
    import { ProcessTable } from ${at("processes.ts")}
    const stateDirectory = ${JSON.stringify(stateDirectory)}
    await migrate(new ProcessTable(stateDirectory), { root: ${JSON.stringify(root)}, stateDirectory, say: console.log })`
  const starter = spawn(process.execPath, ["--input-type=module", "--eval", script])
  await vi.waitFor(() => expect(recorded()).toHaveLength(1), { timeout: 15_000 })
  const [left] = recorded()
  starter.kill("SIGKILL")
  await sleep(50)
  expect([left!.name, isRunning(left!)]).toEqual(["migration", true])
  await new ProcessTable(stateDirectory).endAll()
  expect(isRunning(left!)).toBe(false)
  await again()
})

it("a system that is stopped while it migrates ends that too, at once", async () => {
  const { root, stateDirectory, say, recorded } = rootWith("exec sleep 60")
  const system = new LocalSystem({ root, stateDirectory, port: await freePort(), say })
  const started = system.start().catch((error: Error) => error.message)
  await vi.waitFor(() => expect(recorded()).toHaveLength(1), { timeout: 15_000 })
  const [migration] = recorded()
  await system.stop()
  expect(await started).toMatch(/^the database could not be migrated \(signal SIGTERM\)/)
  expect([isRunning(migration!), recorded()]).toEqual([false, []])
})
