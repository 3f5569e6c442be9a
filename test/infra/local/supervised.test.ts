import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { describe, expect, it, vi } from "vitest"
import { ProcessTable, type Service } from "#infra/local/processes.ts"
import { Supervised, type SupervisedOptions } from "#infra/local/supervised.ts"

const PATIENCE = { timeout: 15_000 }

const supervised = (
  script: string,
  options: Partial<SupervisedOptions> = {},
  ready?: (service: Service) => Promise<void>,
) => {
  const directory = mkdtempSync(path.join(tmpdir(), "yohaku-"))
  const table = new ProcessTable(directory)
  const services: Service[] = []
  const lines: string[] = []
  const definition = {
    title: "the part",
    start: () => {
      const service = table.start("part", "sh", ["-c", script], process.env, directory)
      services.push(service)
      return service
    },
    ready: ready ?? (() => Promise.resolve()),
  }
  const part = new Supervised(definition, { say: (line) => lines.push(line), firstWaitMs: 10, ...options })
  const log = path.join(directory, "logs/part.log")
  return { part, services, lines, log, definition, directory }
}

describe("a supervised service", () => {
  it("that is killed is started again, and says why it stopped, when it comes back and where its log is", async () => {
    const { part, services, lines, log } = supervised("exec sleep 60")
    await part.start()
    process.kill(-services[0]!.pid, "SIGKILL")
    await vi.waitFor(() => expect(services).toHaveLength(2), PATIENCE)
    process.kill(-services[1]!.pid, "SIGTERM")
    await vi.waitFor(() => expect(lines).toHaveLength(4), PATIENCE)
    expect(lines).toEqual([
      `the part stopped (signal SIGKILL) and will be started again in 0.01 s; log: ${log}`,
      "the part started again",
      `the part stopped (signal SIGTERM) and will be started again in 0.02 s; log: ${log}`,
      "the part started again",
    ])
    await part.stop()
    expect(await services[2]!.exited).toBe("signal SIGTERM")
  })

  it("is given up after five restarts in a row, with the last reason", async () => {
    const { part, services, log } = supervised("exit 3")
    await part.start()
    expect((await part.givenUp).message).toBe(`the part stopped 6 times in a row, at last: exit code 3; log: ${log}`)
    expect(services).toHaveLength(6)
  })

  it("that ran long enough in between has not died in a row", async () => {
    const { part, services, lines } = supervised("exec sleep 0.2", { soundMs: 100 })
    await part.start()
    await vi.waitFor(() => expect(services).toHaveLength(4), PATIENCE)
    await part.stop()
    expect(lines.filter((line) => line.includes("stopped")).every((line) => line.includes("in 0.01 s"))).toBe(true)
  })

  it("that does not come up the first time is no system: start rejects", async () => {
    const { part, services } = supervised("exec sleep 60", {}, () => Promise.reject(new Error("no answer")))
    await expect(part.start()).rejects.toThrow("no answer")
    await part.stop()
    expect(services).toHaveLength(1)
  })

  it("whose process lives and does not answer is ended and started again", async () => {
    const { definition, services, lines, log } = supervised("exec sleep 60")
    const failed = () =>
      services.length === 1 ? Promise.resolve("no answer for 60 s") : new Promise<never>(() => undefined)
    const part = new Supervised({ ...definition, failed }, { say: (line) => lines.push(line), firstWaitMs: 10 })
    await part.start()
    await vi.waitFor(() => expect(lines).toHaveLength(2), PATIENCE)
    expect(lines[0]).toBe(`the part stopped (no answer for 60 s) and will be started again in 0.01 s; log: ${log}`)
    expect(await services[0]!.exited).toBe("signal SIGTERM")
    await part.stop()
  })

  it("waits for what it needs, and its deaths meanwhile do not count", async () => {
    let waits = 0
    const whenPossible = async () => ++waits < 9
    const { part, services } = supervised("exit 1", { whenPossible })
    await part.start()
    await part.givenUp
    expect(services).toHaveLength(8 + 5)
  })

  it.runIf(process.platform === "linux")("that dies on a full disk is started again when there is room", async () => {
    const { part, services, lines, log, directory } = supervised("exec sleep 60", { firstWaitMs: 200 })
    await part.start()
    const full = path.join(directory, "processes.json.new")
    symlinkSync("/dev/full", full)
    process.kill(-services[0]!.pid, "SIGKILL")
    await vi.waitFor(() => expect(lines).toHaveLength(2), PATIENCE)
    rmSync(full)
    await vi.waitFor(() => expect(services).toHaveLength(2), PATIENCE)
    await part.stop()
    const why = `the disk of the state directory ${directory} is full: free some of it, or choose another with --state DIRECTORY`
    expect(lines).toEqual([
      `the part stopped (signal SIGKILL) and will be started again in 0.2 s; log: ${log}`,
      `the part stopped (${why}) and will be started again in 0.4 s; log: ${log}`,
      "the part started again",
    ])
  })

  it("that cannot be kept, for a reason of the keeper's own, is given up with it, so that the others are ended", async () => {
    const whenPossible = () => Promise.reject(new Error("no such folder"))
    const { part } = supervised("exit 1", { whenPossible })
    await part.start()
    expect((await part.givenUp).message).toBe("the part: no such folder")
  })

  it("that is stopped while it waits for room is not announced as started again", async () => {
    const isWaiting = Promise.withResolvers<void>()
    const ends = Promise.withResolvers<void>()
    const whenPossible = async (signal: AbortSignal) => {
      isWaiting.resolve()
      await new Promise((resolve) => signal.addEventListener("abort", resolve))
      setTimeout(ends.resolve, 10)
      return true
    }
    const { part, services, lines } = supervised("exit 1", { whenPossible })
    await part.start()
    await isWaiting.promise
    await part.stop()
    await ends.promise
    expect([services.length, lines]).toEqual([1, []])
  })

  it("that is stopped while it waits is not started again", async () => {
    const { part, services, lines, directory } = supervised("exit 1", { firstWaitMs: 60_000 })
    await part.start()
    await vi.waitFor(() => expect(lines).toHaveLength(1), PATIENCE)
    await part.stop()
    expect(services).toHaveLength(1)
    expect(readFileSync(path.join(directory, "processes.json"), "utf8")).toBe("[]")
  })
})
