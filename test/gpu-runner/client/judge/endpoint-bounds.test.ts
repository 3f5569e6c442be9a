// What an endpoint may not do, whatever it says: have the key kept, send questions elsewhere, fill the memory, end the process.
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { askJudge } from "#gpu-runner/client/judge/ask-judge.ts"
import { askOnce } from "#gpu-runner/client/judge/judge-endpoint.ts"
import { openJudgeRecords } from "#gpu-runner/client/judge/judge-records.ts"
import { keyMask } from "#gpu-runner/client/judge/mask-key.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"
import { JUDGE, questionsOf, said, verdictOn } from "./judge-stand-in.ts"

const KEY = 'sk-A+b/9&"\\key'
type Answer = (response: import("node:http").ServerResponse) => void
let answer: Answer = () => undefined
let asked = 0
const server = createServer((request, response) => {
  request.resume()
  asked++
  answer(response)
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
const workspace = createWorkspace()
afterAll(() => {
  workspace.remove()
  server.closeAllConnections()
  server.close()
})
const [question] = await questionsOf(1)

async function outcomeOf(next: Answer, apiKey = KEY) {
  answer = next
  asked = 0
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return askOnce({ url, judge: JUDGE, apiKey }, question!, new AbortController().signal)
}

const send =
  (text: string, status = 200, type = "application/json"): Answer =>
  (response) =>
    void response.writeHead(status, { "content-type": type }).end(text)

const unicode = (text: string) => [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")
const upper = (text: string) => unicode(text).replace(/[a-f](?=[^u]*)/g, (digit) => digit.toUpperCase())

test.each<[string, string]>([
  ["as it is", JSON.stringify(KEY)],
  ["every character escaped", `"${unicode(KEY)}"`],
  ["escaped in capitals", `"${upper(KEY)}"`],
  ["slashes escaped", JSON.stringify(KEY).replaceAll("/", "\\/")],
  ["as a text in a text", JSON.stringify(JSON.stringify({ key: KEY }))],
  ["escaped in a text in a text", JSON.stringify(`"${unicode(KEY)}"`)],
  ["as an address holds it", JSON.stringify(encodeURIComponent(KEY))],
  ["as HTML holds it", JSON.stringify(KEY.replaceAll("&", "&amp;").replaceAll('"', "&#34;"))],
])("a key that the endpoint says, %s, is masked wherever it stands", async (_, spelled) => {
  for (const status of [200, 400, 401, 500]) {
    const outcome = await outcomeOf(send(`{"error":{"message":${spelled},${spelled}:1}}`, status))
    expect(outcome).not.toMatchObject({ kind: "answered" })
    const kept = JSON.stringify(outcome)
    expect(kept).toContain("(the key)")
    expect(kept).not.toMatch(/sk-A|sk%2DA|\\u0073|9&/)
  }
  const page = JSON.stringify(await outcomeOf(send(`<p>${spelled}`, 503, "text/html")))
  expect(page).toMatch(/\(the key\)/)
  expect(page).not.toMatch(/sk-A|\\u0073/)
})

test("a judge's own words without the key are kept to the letter, for any key", async () => {
  const outcome = await outcomeOf(send(JSON.stringify(said('sk-A+b/8 "\\u0041" %41'))))
  expect(JSON.stringify(outcome)).toContain(JSON.stringify('sk-A+b/8 "\\u0041" %41').slice(1, -1))
  const keys = fc.string({
    minLength: 8,
    maxLength: 40,
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  })
  fc.assert(
    fc.property(keys, fc.json({ maxDepth: 3 }), (key, json) => {
      const mask = keyMask(key)
      expect(mask.json({ a: [`x${key}y`] })).toEqual({ a: ["x(the key)y"] })
      if (!json.includes(key)) expect(mask.json(JSON.parse(json))).toEqual(JSON.parse(json))
    }),
    { numRuns: 100 },
  )
})

test("a key that no header can hold stands in no reason", async () => {
  const outcome = await outcomeOf(send("{}"), "sk-secret\nkey")
  expect([asked, outcome.kind]).toEqual([0, "failed"])
  expect(JSON.stringify(outcome)).not.toContain("sk-secret")
})

test.each([301, 302, 307, 308])(
  "an endpoint that sends elsewhere (%s) is not followed: it says what to name",
  async (status) => {
    const outcome = await outcomeOf(
      (response) => void response.writeHead(status, { location: "/v2/chat/completions" }).end(),
    )
    expect([asked, outcome.kind]).toEqual([1, "unusable"])
    expect(outcome).toMatchObject({
      reason: expect.stringMatching(/from elsewhere, \/v2\/chat\/completions; .* name that one with --url/),
      isFree: true,
    })
  },
)

test("an answer without an end is read to the bound, and no further", async () => {
  let sent = 0
  const chunk = "x".repeat(2 ** 16)
  const closed = Promise.withResolvers<void>()
  const outcome = await outcomeOf((response) => {
    const more = () => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length
    }
    response.on("drain", more).on("close", closed.resolve)
    response.writeHead(200)
    more()
  })
  await closed.promise
  expect(outcome).toMatchObject({ kind: "failed", reason: "an answer of more than 1048576 characters" })
  expect(sent).toBeLessThan(64 * 2 ** 20)
})

test("an answer that is nested without measure is one that failed", async () => {
  const deep = `{"model":"${JUDGE}","choices":${"[".repeat(16_000)}${"]".repeat(16_000)}}`
  const reason = "an answer that is nested more than 32 deep"
  for (const status of [200, 400, 500])
    expect(await outcomeOf(send(deep, status))).toMatchObject({ kind: "failed", reason })
})

test("an endpoint that is away ends the work with its address and the reason, and nothing is spent", async () => {
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const ask = async (at: number) => {
    const records = openJudgeRecords(workspace.at("away"), JUDGE)
    const more = { budget: { requests: 1 }, concurrency: 4, signal: new AbortController().signal }
    const endpoint = { url: `http://127.0.0.1:${at}/v1`, judge: JUDGE, apiKey: undefined }
    const work = askJudge([question!], { endpoint, records, ...more, sleep: async () => undefined })
    const outcome = await work.catch((error: unknown) => error).finally(records.close)
    return { outcome, heard: records.heardRequests(), tokens: records.tokens() }
  }
  expect(await ask(port)).toMatchObject({
    outcome: {
      ...{ _tag: "JudgeUnusable", isOfKey: true },
      message: `http://127.0.0.1:${port}/v1 cannot be reached: connection refused (127.0.0.1:${port}); start again when it is there, what was answered is kept`,
    },
    ...{ heard: 0, tokens: { prompt: 0, completion: 0 } },
  })
  answer = send(JSON.stringify(verdictOn(question!.body)))
  expect(await ask((server.address() as AddressInfo).port)).toMatchObject({
    outcome: { refused: 0, failed: 0, beyondBudget: 0 },
    ...{ heard: 1, tokens: { prompt: 100, completion: 1 } },
  })
})
