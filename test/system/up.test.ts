// `yohaku up` as a real process: one that was killed while it migrated is followed by one that starts, what dies comes back, a second
// one is refused, and its end leaves nothing running.
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { createInterface } from "node:readline"
import { afterAll, expect, it, vi } from "vitest"
import { freePort } from "./free-port.ts"

const root = path.resolve(import.meta.dirname, "../..")
const state = path.join(mkdtempSync(path.join(tmpdir(), "yohaku-up-")), "state")
const children: ChildProcess[] = []
const PATIENCE = { timeout: 240_000, interval: 500 }

interface Up {
  readonly child: ChildProcess
  readonly out: string[]
  readonly told: string[]
  readonly ended: Promise<number | null>
}

const up = (port: number): Up => {
  const program = path.join(root, "gpu-runner/cli/yohaku.mjs")
  const child = spawn(process.execPath, [program, "up", "--json", "--state", state, "--port", String(port)], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  children.push(child)
  const [out, told]: [string[], string[]] = [[], []]
  createInterface(child.stdout).on("line", (line) => out.push(line))
  createInterface(child.stderr).on("line", (line) => told.push(line))
  return { child, out, told, ended: once(child, "close").then(([code]) => code as number | null) }
}

const recorded = (): { name: string; pid: number }[] =>
  JSON.parse(readFileSync(path.join(state, "processes.json"), "utf8"))
const pidOf = (name: string): number => recorded().find((entry) => entry.name === name)!.pid

/** The live processes of a group with their names. */
const membersOf = (group: number): { pid: number; name: string }[] =>
  readdirSync("/proc").flatMap((entry) => {
    try {
      const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${entry}/stat`, "utf8")) ?? []
      const [status, , processGroup] = rest!.split(" ")
      return Number(processGroup) === group && status !== "Z" ? [{ pid: Number(entry), name: name! }] : []
    } catch {
      return []
    }
  })

afterAll(async () => {
  for (const child of children) child.kill("SIGTERM")
  await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? once(child, "close")))
  rmSync(path.dirname(state), { recursive: true, force: true, maxRetries: 5 })
})

it.runIf(process.platform === "linux")(
  "starts after one that was killed, serves, starts again what dies, refuses a second one, and ends clean",
  async () => {
    const port = await freePort()
    const killed = up(port)
    await vi.waitFor(() => expect(recorded()).toHaveLength(1), { timeout: 60_000, interval: 20 })
    const migration = pidOf("migration")
    killed.child.kill("SIGKILL")
    await killed.ended
    expect(membersOf(migration).length).toBeGreaterThan(0)

    const system = up(port)
    await vi.waitFor(() => expect(system.out, system.told.join("\n")).toHaveLength(1), PATIENCE)
    const url = `http://127.0.0.1:${port}`
    const secretsFile = path.join(state, "secrets.env")
    expect(JSON.parse(system.out[0]!)).toEqual({ url, secretsFile, stateDirectory: state })
    expect(membersOf(migration)).toEqual([])
    expect([secretsFile, path.join(state, "keys.json")].map((file) => statSync(file).mode & 0o777)).toEqual([
      0o600, 0o600,
    ])
    expect(await (await fetch(url)).json()).toMatchObject({
      name: "yohaku",
      openapi: "/openapi.json",
      health: "/healthz",
    })

    const second = up(port)
    expect(await second.ended).toBe(1)
    expect(second.told.join()).toContain(`runs already: process ${system.child.pid}, at ${url}.`)

    process.kill(pidOf("runner"), "SIGTERM")
    const groups = [pidOf("workers")]
    const runtimes = membersOf(groups[0]!).filter(({ name }) => name === "workerd")
    expect(runtimes.length).toBeGreaterThan(0)
    for (const { pid } of runtimes) process.kill(pid, "SIGKILL")
    await vi.waitFor(() => expect(system.told).toContain("the workers started again"), PATIENCE)
    expect(system.told.join("\n")).toMatch(
      /the runner stopped \((exit code 0|signal SIGTERM)\) .*the runner started again/s,
    )
    expect(system.told.join("\n")).toMatch(/the workers stopped \(their workerd died, no answer for \d+ s\)/)
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" })

    groups.push(pidOf("workers"), pidOf("runner"))
    system.child.kill("SIGTERM")
    expect(await system.ended).toBe(0)
    expect(system.told.at(-1)).toBe("stopping; the next start with this state goes on from here")
    expect(groups.flatMap(membersOf)).toEqual([])
    expect(recorded()).toEqual([])
  },
)
