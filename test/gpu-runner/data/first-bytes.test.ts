// The first bytes of a file, from whoever answers: no more is read than was asked for, and nothing is taken that is not what was asked for.
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, expect, test } from "vitest"
import { firstBytes } from "#gpu-runner/data/first-bytes.ts"
import type { Source } from "#gpu-runner/data/transfer.ts"

const FILE = Uint8Array.from({ length: 1000 }, (_, index) => index % 251)

let answer: (response: ServerResponse) => void = () => undefined
let sentBytes = 0
const server = createServer((_, response) => answer(response))
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const source: Source = {
  ask: (range, signal) =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      ...(range ? { headers: { range } } : {}),
      ...(signal ? { signal } : {}),
    }),
  refusal: () => undefined,
  unreachable: (cause) => new Error("away", { cause }),
  mismatch: () => new Error("other bytes"),
}

const partial = (range: string, body: Uint8Array, length = body.length) => {
  answer = (response) => {
    response.writeHead(206, { "content-range": `bytes ${range}`, "content-length": length })
    response.end(body)
  }
}

test("what was asked for is taken, and of a shorter file all that it has", async () => {
  partial("0-99/1000", FILE.subarray(0, 100))
  expect(await firstBytes(source, 100)).toEqual({ bytes: FILE.subarray(0, 100), fileBytes: 1000 })
  partial("0-999/1000", FILE)
  expect(await firstBytes(source, 4096)).toEqual({ bytes: FILE, fileBytes: 1000 })
})

test("a shorter range than was asked for, or a body that is not of its length, is not taken", async () => {
  partial("0-11/1000", FILE.subarray(0, 12))
  expect(await firstBytes(source, 100)).toBeUndefined()
  partial("0-11/1000", FILE.subarray(0, 100))
  expect(await firstBytes(source, 100)).toBeUndefined()
  partial("0-99/1000", FILE.subarray(0, 40))
  expect(await firstBytes(source, 100)).toBeUndefined()
  partial("0-99/1000", FILE.subarray(0, 500))
  expect(await firstBytes(source, 100)).toBeUndefined()
  // More than was asked for, though the body has the length that was asked for.
  partial("0-199/1000", FILE.subarray(0, 100))
  expect(await firstBytes(source, 100)).toBeUndefined()
  answer = (response) => response.end(FILE)
  expect(await firstBytes(source, 100)).toBeUndefined()
})

test("a whole file in place of the range is not waited for: its connection is closed", async () => {
  const closed = new Promise((resolve) => {
    answer = (response) => {
      response.on("close", resolve)
      response.writeHead(200)
      response.write(FILE)
    }
  })
  expect(await firstBytes(source, 100)).toBeUndefined()
  await closed
}, 5000)

test("who stops asking gets the own reason, and a gateway that breaks off is away by the source's words, with the cause", async () => {
  const stop = new AbortController()
  answer = () => stop.abort(new Error("the lease is lost"))
  await expect(firstBytes(source, 100, stop.signal)).rejects.toThrow("the lease is lost")
  answer = (response) => response.destroy()
  const failure = await firstBytes(source, 100).catch((error: Error) => error)
  expect(failure).toMatchObject({ message: "away", cause: { message: "fetch failed" } })
  const refused = Object.assign(new Error("no such file"), { _tag: "Refused" })
  answer = (response) => response.end()
  await expect(firstBytes({ ...source, refusal: () => refused }, 100)).rejects.toBe(refused)
})

test("an answer without an end is left behind the bytes that were asked for", async () => {
  answer = (response) => {
    response.writeHead(206, { "content-range": "bytes 0-99/1000" })
    const more = () => {
      if (response.destroyed) return
      sentBytes += 65_536
      response.write(new Uint8Array(65_536), more)
    }
    more()
  }
  expect(await firstBytes(source, 100)).toBeUndefined()
  const then = sentBytes
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(sentBytes - then).toBeLessThan(2 ** 22)
})

test("who sends a byte now and then is away after the time that there is", async () => {
  answer = (response) => {
    response.writeHead(206, { "content-range": "bytes 0-99/1000" })
    response.write(FILE.subarray(0, 1))
  }
  await expect(firstBytes(source, 100, undefined, 100)).rejects.toThrow("away")
})
