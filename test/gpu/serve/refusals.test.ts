// What the server refuses, with OpenAI's error shape, the right status and words that say the mend.
import { afterAll, expect } from "vitest"
import type { ModelServer } from "#gpu-runner/serve/open-server.ts"
import { MOST_BODY_BYTES } from "#gpu-runner/serve/request-body.ts"
import { createWorkspace, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { post, served, user } from "./served.ts"

const workspace = createWorkspace()
let opened: Promise<ModelServer> | undefined
const tiny = (gpu: Parameters<typeof served>[0]) =>
  (opened ??= served(gpu, { modelDir: writeTinyModel(workspace), maxLength: 64, apiKey: "a-key-of-ours" }))
afterAll(async () => {
  await (await opened)?.close(0)
  workspace.remove()
})

const KEY = { authorization: "Bearer a-key-of-ours" }
const chat = { model: "demo", messages: user("tea") }

const CASES: readonly (readonly [string, object | string, number, string, string | null, RegExp])[] = [
  [
    "chat/completions",
    { ...chat, model: "other" },
    404,
    "model_not_found",
    "model",
    /"other" is served here; there are demo/,
  ],
  ["chat/completions", { ...chat, tools: [{}] }, 400, "unsupported_parameter", "tools", /tools is not supported here/],
  ["chat/completions", "{", 400, "invalid_json", null, /the body is no JSON/],
  [
    ...(["chat/completions", { ...chat, max_tokens: 60 }, 400, "context_length_exceeded", "messages"] as const),
    /^the context holds 64 tokens; messages has \d+, and the answer may have 60: shorten it, or lower max_tokens$/,
  ],
  [
    ...(["completions", { model: "demo", prompt: "x".repeat(70) }, 400, "context_length_exceeded", "prompt"] as const),
    /^the context holds 64 tokens; prompt has 71, and no token of an answer has room: shorten it$/,
  ],
  [
    "completions",
    { model: "demo", prompt: [70_000] },
    400,
    "invalid_prompt",
    "prompt",
    /70000 is no token of the model/,
  ],
  [
    ...([
      "chat/completions",
      { ...chat, messages: [{ role: "system", content: "x" }] },
      400,
      "invalid_prompt",
      "messages",
    ] as const),
    /no system role.*start of the first user message/,
  ],
  ["chat/completions", { ...chat, n: 100 }, 400, "invalid_value", "n", /asks for 100 answers, and at most 40 are held/],
  ["embeddings", {}, 404, "unknown_url", null, /there is no \/v1\/embeddings here; there are \/v1\/chat\/completions/],
  ["models", {}, 405, "method_not_allowed", null, /\/v1\/models is asked with GET, not POST/],
  [
    "completions",
    "x".repeat(MOST_BODY_BYTES + 1),
    413,
    "request_too_large",
    null,
    /4194305 bytes, and at most 4194304/,
  ],
]

for (const [path, body, status, code, param, message] of CASES) {
  softwareTest(`${path} with ${JSON.stringify(body).slice(0, 60)} is ${status} ${code}`, async ({ gpu }) => {
    const reply = await post(await tiny(gpu), path, body, KEY)
    expect(reply.status).toBe(status)
    expect(reply.json).toEqual({
      error: { message: expect.stringMatching(message), type: expect.any(String), param, code },
    })
  })
}

softwareTest("without the key nobody is answered but who asks for the health", async ({ gpu }) => {
  const server = await tiny(gpu)
  for (const headers of [{}, { authorization: "Bearer other" }, { authorization: "a-key-of-ours" }]) {
    const reply = await post(server, "chat/completions", chat, headers)
    expect([reply.status, reply.json.error.code]).toEqual([401, "invalid_api_key"])
    expect(reply.headers.get("www-authenticate")).toBe("Bearer")
  }
  const health = await fetch(`${server.url}/health`)
  expect([health.status, await health.json()]).toEqual([200, { status: "ok", running: 0, waiting: 0 }])
  const models = await fetch(`${server.url}/v1/models`, { headers: KEY })
  expect(await models.json()).toEqual({
    object: "list",
    data: [{ id: "demo", object: "model", created: expect.any(Number), owned_by: "yohaku" }],
  })
  expect((await fetch(`${server.url}/v1/models/demo`, { headers: KEY })).status).toBe(200)
  expect((await fetch(`${server.url}/v1/models/other`, { headers: KEY })).status).toBe(404)
})

softwareTest("what is no JSON by its header is refused, so that no page of another site can ask", async ({ gpu }) => {
  const reply = await post(await tiny(gpu), "chat/completions", chat, { ...KEY, "content-type": "text/plain" })
  expect([reply.status, reply.json.error.code]).toEqual([415, "unsupported_media_type"])
})
