// What the demo keeps between starts, and what of it is made anew when the gateway knows it no more.
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest"
import { provision } from "#infra/demo/loop/provision.ts"

/** What this stand-in for a gateway has made and knows. */
const keys = new Set<string>()
const endpoints = new Map<string, string>()
let server: Server
let url = ""
let made = 0

/** The answer to one call, as the gateway gives it. */
const answerTo = (call: string, body: string, key: string): readonly [number, object] => {
  made += 1
  switch (call) {
    case "POST /v1/models":
      return [201, { version: 1 }]
    case "POST /v1/keys":
      keys.add(`yhk_${made}`)
      return [201, { key: `yhk_${made}` }]
    case "GET /v1/status":
      return [keys.has(key) ? 403 : 401, {}]
    case "GET /v1/datasets/demo/webhooks":
      return [200, { items: Array.from(endpoints, ([id, source]) => ({ id, source })) }]
    case "POST /v1/datasets/demo/webhooks": {
      const { source } = JSON.parse(body) as { source: string }
      endpoints.set(`end${made}`, source)
      return [201, { id: `end${made}`, path: `/v1/webhooks/${source}/end${made}`, secret: `secret-${made}` }]
    }
    default:
      return [200, {}]
  }
}

beforeAll(async () => {
  server = createServer(async (incoming, answer) => {
    const key = incoming.headers.authorization!.slice("Bearer ".length)
    const [status, value] = answerTo(`${incoming.method} ${incoming.url}`, await text(incoming), key)
    answer.writeHead(status).end(JSON.stringify(value))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

let stateDirectory = ""
beforeEach(() => {
  keys.clear()
  endpoints.clear()
  stateDirectory = mkdtempSync(path.join(tmpdir(), "yohaku-provision-"))
  writeFileSync(path.join(stateDirectory, "config.json"), "{}")
})

const start = () =>
  provision({
    ...{ url, adminKey: "admin", stateDirectory, modelDirectory: stateDirectory },
    ...{ datasetId: "demo", retrainThreshold: 4, retrainConfig: {} },
  })

const keptNow = () => JSON.parse(readFileSync(path.join(stateDirectory, "provisioned.json"), "utf8"))

it("the demo's key and endpoints are kept, readable by this user only", async () => {
  const first = await start()
  expect(Array.from(endpoints.values())).toEqual(["argilla", "label-studio", "retrain"])
  expect(statSync(path.join(stateDirectory, "provisioned.json")).mode & 0o777).toBe(0o600)
  expect(await start()).toEqual(first)
  expect(keptNow()).toEqual(first)
  expect([keys.size, endpoints.size]).toEqual([1, 3])
})

it("a demo's key that was revoked is made anew alone: by other endpoints its judgements would be stored again", async () => {
  const { ingestKey, ...firstEndpoints } = await start()
  keys.delete(ingestKey)
  const { ingestKey: secondKey, ...secondEndpoints } = await start()
  expect(secondKey).not.toBe(ingestKey)
  expect(keys).toEqual(new Set([secondKey]))
  expect(secondEndpoints).toEqual(firstEndpoints)
  expect(keptNow()).toEqual({ ingestKey: secondKey, ...firstEndpoints })
})

it("the demo's endpoints that the gateway does not know are made anew, all in another database", async () => {
  const first = await start()
  endpoints.delete(first.labelStudio.path.split("/").at(-1)!)
  const second = await start()
  expect(second).toEqual({ ...first, labelStudio: second.labelStudio })
  expect(second.labelStudio.path).not.toBe(first.labelStudio.path)
  keys.clear()
  endpoints.clear()
  const third = await start()
  expect([keys.size, endpoints.size]).toEqual([1, 3])
  expect(keptNow()).toEqual(third)
  const paths = [second, third].flatMap(({ argilla, labelStudio, retrain }) => [argilla, labelStudio, retrain])
  expect(new Set(paths.map(({ secret }) => secret)).size).toBe(6)
})
