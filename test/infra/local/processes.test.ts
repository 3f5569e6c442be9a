import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it, vi } from "vitest"
import { ProcessTable, type Service } from "#infra/local/processes.ts"
import { localSecrets } from "#infra/local/secrets.ts"
import { StateUnusable } from "#infra/local/state-file.ts"

const temporary = (): string => mkdtempSync(path.join(tmpdir(), "yohaku-"))

const isAlive = (pid: number): boolean => {
  try {
    // A killed child of this test process stays a zombie until it is reaped: that is dead too.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let waitedMs = 0; waitedMs < 5000 && !condition(); waitedMs += 20) await sleep(20)
}

describe.runIf(process.platform === "linux")("the processes of a local system", () => {
  it("are ended with everything they started", async () => {
    const directory = temporary()
    const table = new ProcessTable(directory)
    const grandchild = path.join(directory, "grandchild")
    const service = table.start(
      "shell",
      "sh",
      ["-c", `sleep 60 & echo $! > ${grandchild}; wait`],
      process.env,
      directory,
    )
    await until(() => {
      try {
        return readFileSync(grandchild, "utf8").endsWith("\n")
      } catch {
        return false
      }
    })
    const grandchildPid = Number(readFileSync(grandchild, "utf8"))
    expect(isAlive(grandchildPid)).toBe(true)
    await service.stop()
    await until(() => !isAlive(grandchildPid))
    expect([isAlive(service.pid), isAlive(grandchildPid)]).toEqual([false, false])
  })

  it("that outlived a killed predecessor are ended by the next start", async () => {
    const directory = temporary()
    const service = new ProcessTable(directory).start("sleeper", "sleep", ["60"], process.env, directory)
    expect(isAlive(service.pid)).toBe(true)
    await new ProcessTable(directory).endAll()
    await until(() => !isAlive(service.pid))
    expect(isAlive(service.pid)).toBe(false)
  })

  it("are left alone when their recorded process id belongs to somebody else by now", async () => {
    const directory = temporary()
    const service = new ProcessTable(directory).start("sleeper", "sleep", ["60"], process.env, directory)
    const file = path.join(directory, "processes.json")
    const recorded = JSON.parse(readFileSync(file, "utf8")) as { startedAt: string }[]
    writeFileSync(file, JSON.stringify(recorded.map((entry) => ({ ...entry, startedAt: "1" }))))
    await new ProcessTable(directory).endAll()
    expect(isAlive(service.pid)).toBe(true)
    await service.stop()
  })

  it("are ended though the disk is full, and are struck off the list when there is room again", async () => {
    const directory = temporary()
    const table = new ProcessTable(directory)
    const [first, second] = ["first", "second"].map((name) =>
      table.start(name, "sleep", ["60"], process.env, directory),
    ) as [Service, Service]
    const full = path.join(directory, "processes.json.new")
    symlinkSync("/dev/full", full)
    await first.stop()
    await until(() => !isAlive(first.pid))
    expect([isAlive(first.pid), isAlive(second.pid)]).toEqual([false, true])
    expect(() => table.start("third", "sleep", ["60"], process.env, directory)).toThrow(
      new StateUnusable(
        `the disk of the state directory ${directory} is full: free some of it, or choose another with --state DIRECTORY`,
      ),
    )
    rmSync(full)
    await table.endAll()
    expect(isAlive(second.pid)).toBe(false)
    expect(readFileSync(path.join(directory, "processes.json"), "utf8")).toBe("[]")
  })

  it("say how they ended", async () => {
    const directory = temporary()
    const service = new ProcessTable(directory).start(
      "failing",
      "sh",
      ["-c", "echo trouble; exit 3"],
      process.env,
      directory,
    )
    expect(await service.exited).toBe("exit code 3")
    expect(readFileSync(service.logFile, "utf8")).toBe("trouble\n")
  })
})

it("a program that cannot be started is told, and ending it touches no process, least of all the first", async () => {
  const directory = temporary()
  const kill = vi.spyOn(process, "kill")
  try {
    const service = new ProcessTable(directory).start("absent", "/nonexistent/program", [], process.env, directory)
    expect(await service.exited).toMatch(/ENOENT/)
    await service.stop()
    await new ProcessTable(directory).endAll()
    expect(kill).not.toHaveBeenCalled()
  } finally {
    kill.mockRestore()
  }
})

describe("the secrets of a local system", () => {
  it("are made once and stay the same", () => {
    const directory = temporary()
    const first = localSecrets(directory)
    expect(first.pepper).toMatch(/^[0-9a-f]{64}$/)
    expect(first.adminKey).toMatch(/^yhk_local_admin_[0-9a-f]{64}$/)
    expect(localSecrets(directory)).toEqual(first)
  })
})
