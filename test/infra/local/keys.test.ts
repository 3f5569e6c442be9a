import { mkdtempSync, readFileSync, statSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, expect, it } from "vitest"
import { localKeys } from "#infra/local/keys.ts"

/** The keys that this stand-in for a gateway has made and knows, by their scopes. */
const known = new Map<string, readonly string[]>()
let server: Server
let url = ""
let made = 0

beforeAll(async () => {
  server = createServer(async (incoming, answer) => {
    const key = incoming.headers.authorization!.slice("Bearer ".length)
    if (incoming.url === "/v1/keys") {
      const { scopes } = JSON.parse(await text(incoming)) as { scopes: string[] }
      const fresh = `yhk_local_${++made}`
      known.set(fresh, scopes)
      return answer.writeHead(201).end(JSON.stringify({ key: fresh }))
    }
    const scopes = known.get(key)
    answer.writeHead(scopes === undefined ? 401 : scopes.includes("read") ? 200 : 403).end("{}")
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

it("a local system's keys are kept, readable by this user only, and made again when the gateway knows one no more", async () => {
  const directory = mkdtempSync(path.join(tmpdir(), "yohaku-keys-"))
  const keys = () => localKeys(directory, { url, adminKey: "admin" })
  const file = path.join(directory, "keys.json")
  const first = await keys()
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(await keys()).toEqual(first)
  expect(made).toBe(2)
  known.delete(first.runnerKey)
  const second = await keys()
  expect([known.get(second.runnerKey), known.get(second.operatorKey)]).toEqual([
    ["runner"],
    ["read", "train", "promote"],
  ])
  known.delete(second.operatorKey)
  const third = await keys()
  expect(new Set([first, second, third].flatMap(Object.values)).size).toBe(6)
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(third)
})
