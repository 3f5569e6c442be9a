import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import path from "node:path"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { call, GatewayProblem, request } from "#infra/local/http.ts"

let server: Server
let url = ""

/** Answers with what a call sent; /refused with a problem, /silent with a status alone. */
beforeAll(async () => {
  server = createServer(async (incoming, answer) => {
    const body = await text(incoming)
    const { authorization, "content-type": type, "idempotency-key": idempotencyKey } = incoming.headers
    if (incoming.url === "/silent") return answer.writeHead(502).end()
    if (incoming.url === "/refused") {
      return answer
        .writeHead(409)
        .end(JSON.stringify({ type: "urn:yohaku:problem:stale-lease", title: "stale", detail: "leased again" }))
    }
    if (incoming.url === "/untold") return answer.writeHead(404).end(JSON.stringify({ title: "not found" }))
    answer.end(JSON.stringify({ method: incoming.method, authorization, type, idempotencyKey, body }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

describe("a call of a local gateway", () => {
  it("carries key, body and Idempotency-Key", async () => {
    const answer = await call(url, "POST", "/echo", { key: "yhk_1", body: { a: 1 }, idempotencyKey: "once" })
    expect(answer).toEqual({
      method: "POST",
      authorization: "Bearer yhk_1",
      type: "application/json",
      idempotencyKey: "once",
      body: '{"a":1}',
    })
  })

  it("that is refused is a GatewayProblem in the gateway's words", async () => {
    const refused = (path: string) => call(url, "GET", path).catch((error: unknown) => error)
    expect(await refused("/refused")).toEqual(new GatewayProblem("GET /refused: 409: leased again"))
    expect(await refused("/untold")).toEqual(new GatewayProblem("GET /untold: 404: not found"))
    expect(await refused("/silent")).toEqual(new GatewayProblem("GET /silent: 502: no explanation"))
    expect(await refused("/refused")).toMatchObject({ _tag: "GatewayProblem" })
  })

  it("may ask for the status instead", async () => {
    expect((await request(url, "GET", "/refused")).status).toBe(409)
  })

  it("is repeated, unchanged, while the gateway is away or just restarted, and in the end says why there was no answer", async () => {
    const seen: string[] = []
    const restarting = createServer((incoming, answer) => {
      seen.push(`${incoming.method} ${incoming.headers["idempotency-key"]}`)
      if (seen.length === 1) return incoming.socket.destroy()
      answer.writeHead(seen.length === 2 ? 503 : 200).end("{}")
    })
    await new Promise<void>((resolve) => restarting.listen(0, "127.0.0.1", resolve))
    const { port } = restarting.address() as AddressInfo
    const address = `http://127.0.0.1:${port}`
    await call(address, "POST", "/v1/keys", { idempotencyKey: "once" })
    expect(seen).toEqual(["POST once", "POST once", "POST once"])
    restarting.closeAllConnections()
    await new Promise((resolve) => restarting.close(resolve))
    await expect(call(address, "GET", "/", { patienceMs: 0 })).rejects.toThrow(
      `the gateway at ${address} gave no answer: connect ECONNREFUSED 127.0.0.1:${port}`,
    )
  })

  it("keeps a program alive that waits for nothing else, until there is an answer", async () => {
    let asked = 0
    const restarting = createServer((_, answer) => answer.writeHead(asked++ === 0 ? 503 : 200).end('"up"'))
    await new Promise<void>((resolve) => restarting.listen(0, "127.0.0.1", resolve))
    const { port } = restarting.address() as AddressInfo
    const module_ = path.resolve(import.meta.dirname, "../../../infra/local/http.ts")
    const script = `import { call } from ${JSON.stringify(module_)}
      console.log(await call("http://127.0.0.1:${port}", "GET", "/"))`
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script])
    const ended = once(child, "close")
    expect(await text(child.stdout)).toBe("up\n")
    expect((await ended)[0]).toBe(0)
    restarting.closeAllConnections()
    restarting.close()
  })

  it("ends with its signal, whether it waits for an answer or to be repeated", async () => {
    const silent = createServer()
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
    const { port } = silent.address() as AddressInfo
    const stopped = new AbortController()
    const waiting = call(`http://127.0.0.1:${port}`, "GET", "/", { signal: stopped.signal })
    await once(silent, "request")
    stopped.abort(new Error("the system is stopped"))
    await expect(waiting).rejects.toThrow("the system is stopped")
    silent.closeAllConnections()
    silent.close()
    await once(silent, "close")
    const repeating = new AbortController()
    setTimeout(() => repeating.abort(), 100)
    const startedMs = performance.now()
    await expect(call(`http://127.0.0.1:${port}`, "GET", "/", { signal: repeating.signal })).rejects.toMatchObject({
      name: "AbortError",
    })
    expect(performance.now() - startedMs).toBeLessThan(5000)
  })
})
