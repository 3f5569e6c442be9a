import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { PortInUse, requireFreePort } from "#infra/local/free-port.ts"
import { startTime } from "#infra/local/process-identity.ts"
import { lockState, StateInUse } from "#infra/local/state-lock.ts"

const temporary = (): string => mkdtempSync(path.join(tmpdir(), "yohaku-"))
const children: ReturnType<typeof spawn>[] = []
afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
})

const sleeper = () => {
  const child = spawn("sleep", ["60"])
  children.push(child)
  return { child, identity: { pid: child.pid!, startedAt: startTime(child.pid!) } }
}

describe("a state directory", () => {
  it("that a running process owns is refused, by that process and its port", () => {
    const directory = temporary()
    const { identity } = sleeper()
    lockState(directory, 8787, identity)
    expect(() => lockState(directory, 9000)).toThrow(StateInUse)
    expect(() => lockState(directory, 9000)).toThrow(
      `a system with the state ${directory} runs already: process ${identity.pid}, at http://127.0.0.1:8787. Use that one, end it (kill ${identity.pid}), or start another with --state DIRECTORY and --port N`,
    )
  })

  it("is free again when its owner was killed with signal 9, and when its process id is somebody else's", async () => {
    const directory = temporary()
    const { child, identity } = sleeper()
    lockState(directory, 1, identity)
    child.kill("SIGKILL")
    await once(child, "exit")
    lockState(directory, 2, { ...sleeper().identity, startedAt: "1" })
    lockState(directory, 3)
    expect(() => lockState(directory, 4)).toThrow(StateInUse)
    expect(readdirSync(path.join(directory, "lock"))).toEqual(["3.json"])
  })

  it("is not given to a start that found it free, was slow, and makes a number below that of who owns it by now", () => {
    const directory = temporary()
    const { identity } = sleeper()
    let isSlow = true
    const slow = {
      pid: process.pid,
      /** Read between looking and making: two others lock meanwhile, the first of which runs no more. */
      get startedAt() {
        if (isSlow) {
          isSlow = false
          lockState(directory, 1, { ...identity, startedAt: "1" })
          lockState(directory, 2, identity)
        }
        return startTime(process.pid)
      },
    }
    expect(() => lockState(directory, 3, slow)).toThrow(`process ${identity.pid}, at http://127.0.0.1:2.`)
    expect(readdirSync(path.join(directory, "lock"))).toEqual(["2.json"])
  })

  it("is not given away by a lock file that was cut off", () => {
    const directory = temporary()
    mkdirSync(path.join(directory, "lock"))
    writeFileSync(path.join(directory, "lock", "7.json"), '{"pid"')
    lockState(directory, 1)
    expect(readdirSync(path.join(directory, "lock"))).toEqual(["8.json"])
    expect(() => lockState(directory, 2)).toThrow(StateInUse)
  })

  it.runIf(process.platform === "linux")("has one owner of eight processes that start at the same moment", async () => {
    const directory = temporary()
    const module_ = path.resolve(import.meta.dirname, "../../../infra/local/state-lock.ts")
    const script = `
      import { lockState } from ${JSON.stringify(module_)}
      const at = Number(process.argv[1])
      while (Date.now() < at) {}
      try { lockState(${JSON.stringify(directory)}, 1); console.log("won") } catch (error) { console.log(error._tag) }
      setTimeout(() => {}, 60_000)`
    const at = String(Date.now() + 2500)
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const child = spawn(process.execPath, ["--input-type=module", "--eval", script, at])
        children.push(child)
        const [answer] = (await once(child.stdout, "data")) as [Buffer]
        return answer.toString().trim()
      }),
    )
    expect(answers.toSorted()).toEqual([...Array.from({ length: 7 }, () => "StateInUse"), "won"])
  })
})

describe("a port", () => {
  it("in use is refused before anything starts, with what to do", async () => {
    const server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as { port: number }
    const failure = await requireFreePort(port).catch((error: unknown) => error)
    expect(failure).toEqual(
      new PortInUse(`port ${port} is in use by another program; end that, or choose another with --port N`),
    )
    server.close()
    await once(server, "close")
    await requireFreePort(port)
  })
})
