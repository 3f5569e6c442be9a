// A measured system is a process: it stands still while it is not asked, and whatever goes wrong in it is a reason, never a hang.
import { readFileSync } from "node:fs"
import { afterEach, expect, test } from "vitest"
import { SystemFailed, SystemProcess } from "#test/bench/peers/system-process.ts"
import type { MatmulTask } from "#test/bench/peers/tasks.ts"

const task = { kind: "matmul", name: "8×8×8" } as MatmulTask

const started: SystemProcess[] = []
afterEach(() => {
  for (const process of started.splice(0)) process.end()
})

/** A process that answers each request with what the body of `request => answer` gives; undefined is no answer. */
function system(body: string): SystemProcess {
  const script = `
    const { createInterface } = require("node:readline")
    const answer = (request) => { ${body} }
    createInterface({ input: process.stdin }).on("line", (line) => {
      console.log("chatter")
      const given = answer(JSON.parse(line))
      if (given) console.log("@bench " + JSON.stringify(given))
    })`
  const process_ = new SystemProcess({ file: process.execPath, arguments: ["-e", script] })
  started.push(process_)
  return process_
}

test("answers are found among what a library prints", async () => {
  const peer = system(`return request.do === "round" ? { ms: 12, cpuMs: 20 } : { firstMs: 3, found: { loss: 1 } }`)
  expect(await peer.prepare(task, 10_000)).toEqual({ firstMs: 3, found: { loss: 1 } })
  expect(await peer.round(10_000)).toEqual({ ms: 12, cpuMs: 20 })
})

test("an error is its reason, and the next request is served", async () => {
  const peer = system(`return request.do === "round" ? { ms: 1, cpuMs: 1 } : { error: "out of memory" }`)
  await expect(peer.prepare(task, 10_000)).rejects.toThrow(new SystemFailed("out of memory"))
  expect((await peer.round(10_000)).ms).toBe(1)
})

test("a process that ends says how, with its last words", async () => {
  const peer = system(`console.error("bad weights"); process.exit(3)`)
  await expect(peer.round(10_000)).rejects.toThrow("its process ended with code 3: bad weights")
  expect(peer.hasEnded).toBe(true)
})

test("one that does not answer in time is ended", async () => {
  const peer = system("return undefined")
  await expect(peer.round(400)).rejects.toThrow("no answer within 0.4 s")
  await expect(peer.round(400)).rejects.toThrow(SystemFailed)
})

test("one that cannot be started says so", async () => {
  const peer = new SystemProcess({ file: "/nowhere/python", arguments: [] })
  await expect(peer.round(5000)).rejects.toThrow("ENOENT")
})

test.runIf(process.platform === "linux")("between requests it is stopped and takes no processor time", async () => {
  const peer = system(`
    if (!globalThis.busy) { globalThis.busy = true; const spin = () => setImmediate(spin); spin() }
    return { ms: process.pid }`)
  const { ms: pid } = await peer.round(10_000)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  expect(fields[0]).toBe("T")
})
