// What the server says: the text of `yohaku generate`, whatever else is asked meanwhile, each request under its own adapter, streamed and whole
// alike, in OpenAI's shapes.

import { readFileSync } from "node:fs"
import { afterAll, expect } from "vitest"
import { askOnce } from "#gpu-runner/client/judge/judge-endpoint.ts"
import type { ModelServer } from "#gpu-runner/serve/open-server.ts"
import { judgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace, jsonLines, writeTinyAdapter } from "#test/gpu-runner/support/tiny-folder.ts"
import { softwareTest } from "../lanes.ts"
import { DEMO_MODEL, post, served, stream, streamedText, user } from "./served.ts"

const workspace = createWorkspace()
let opened: Promise<{ server: ModelServer; adapter: string }> | undefined
/** One for the file: its kernels are compiled once. */
const demo = (gpu: Parameters<typeof served>[0]) =>
  (opened ??= writeTinyAdapter(workspace, DEMO_MODEL).then(async (adapter) => ({
    adapter,
    server: await served(gpu, { adapters: { tuned: adapter } }),
  })))
afterAll(async () => {
  await (await opened)?.server.close(0)
  workspace.remove()
})

const QUESTIONS = ["May I park here?", "入社案内C-19に承認は要りますか。", "Who signs form B-7?"]
const GREEDY = { temperature: 0, max_tokens: 40 }

/** What `yohaku generate` answers to the questions. */
async function generated(adapter: string | undefined) {
  const prompts = workspace.write(
    "prompts.jsonl",
    jsonLines(QUESTIONS.map((question, id) => ({ id, prompt: user(question) }))),
  )
  const out = workspace.at(`responses-${adapter === undefined ? "base" : "adapter"}.jsonl`)
  const more = adapter === undefined ? [] : ["--adapter", adapter]
  const files = ["--model", DEMO_MODEL, "--prompts", prompts, "--out", out, ...more]
  const { code, told } = await runYohaku("generate", ...files, "--temperature", "0", "--max-tokens", "40")
  expect(code, told).toBe(0)
  const lines = readFileSync(out, "utf8").trim().split("\n")
  return lines.map((line) => JSON.parse(line).responses[0] as { text: string; tokens: number; finishReason: string })
}

softwareTest(
  "greedy answers of base and adapter are those of yohaku generate, while both and drawn ones are computed together",
  async ({ gpu }) => {
    const { server, adapter } = await demo(gpu)
    const expected = { demo: await generated(undefined), tuned: await generated(adapter) }
    expect(expected.demo.map(({ text }) => text)).not.toEqual(expected.tuned.map(({ text }) => text))
    const noise = [3, 4].map((seed) =>
      post(server, "chat/completions", { model: "tuned", messages: user("Hello"), seed, max_tokens: 60, n: 2 }),
    )
    for (const model of ["demo", "tuned"] as const) {
      const replies = await Promise.all(
        QUESTIONS.map((question) => post(server, "chat/completions", { model, messages: user(question), ...GREEDY })),
      )
      for (const [index, { status, json }] of replies.entries()) {
        const { text, tokens, finishReason } = expected[model][index]!
        expect(status, JSON.stringify(json)).toBe(200)
        expect(json).toMatchObject({ object: "chat.completion", model })
        expect(json.choices).toEqual([
          {
            index: 0,
            message: { role: "assistant", content: text, refusal: null },
            logprobs: null,
            finish_reason: finishReason,
          },
        ])
        expect(json.usage.completion_tokens).toBe(tokens)
        expect(json.usage.total_tokens).toBe(tokens + json.usage.prompt_tokens)
      }
    }
    for (const { status } of await Promise.all(noise)) expect(status).toBe(200)
  },
)

softwareTest(
  "a stream's pieces are the whole answer, choice by choice, and end with usage and [DONE]",
  async ({ gpu }) => {
    const { server } = await demo(gpu)
    for (const [path, kind, prompt] of [
      ["chat/completions", "chat.completion.chunk", { messages: user(QUESTIONS[1]!) }],
      ["completions", "text_completion", { prompt: ["駐車", QUESTIONS[0]!] }],
    ] as const) {
      const body = {
        model: "tuned",
        ...prompt,
        seed: 11,
        n: 2,
        max_tokens: 24,
        stream_options: { include_usage: true },
      }
      const { json: whole } = await post(server, path, body)
      const { status, type, chunks, last } = await stream(server, path, body)
      expect([status, type, last]).toEqual([200, "text/event-stream; charset=utf-8", "data: [DONE]"])
      const said = whole.choices.map(
        (choice: { message?: { content: string }; text?: string }) => choice.message?.content ?? choice.text,
      )
      expect(said).toHaveLength(kind === "text_completion" ? 4 : 2)
      expect(new Set(said).size, "choices are drawn apart").toBe(said.length)
      expect(said.map((_: string, index: number) => streamedText(chunks, index))).toEqual(said)
      expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
      expect(new Set(chunks.map(({ object }) => object))).toEqual(new Set([kind]))
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage })
      const ends = chunks.flatMap(({ choices }) => choices).filter(({ finish_reason }) => finish_reason !== null)
      expect(ends.map(({ index, finish_reason }) => [index, finish_reason]).sort()).toEqual(
        whole.choices.map(({ index, finish_reason }: { index: number; finish_reason: string }) => [
          index,
          finish_reason,
        ]),
      )
      const pieces = chunks.flatMap(({ choices }) => choices).map(({ delta, text }) => text ?? delta.content ?? "")
      for (const piece of pieces) expect(piece.isWellFormed(), JSON.stringify(piece)).toBe(true)
    }
  },
)

softwareTest("a stop string ends the answer before it, and nothing of it is streamed", async ({ gpu }) => {
  const { server } = await demo(gpu)
  const body = { model: "demo", messages: user(QUESTIONS[0]!), ...GREEDY }
  const { json } = await post(server, "chat/completions", body)
  const text: string = json.choices[0].message.content
  const stop = text.slice(6, 11)
  const cut = text.slice(0, text.indexOf(stop))
  const stopped = await post(server, "chat/completions", { ...body, stop: ["☃", stop], logprobs: true })
  expect(stopped.json.choices[0]).toMatchObject({ message: { content: cut }, finish_reason: "stop" })
  const told = stopped.json.choices[0].logprobs.content.map(({ token }: { token: string }) => token).join("")
  expect(told.startsWith(cut)).toBe(true)
  expect(told).not.toContain(stop)
  const { chunks } = await stream(server, "chat/completions", { ...body, stop })
  expect(streamedText(chunks)).toBe(cut)
})

softwareTest(
  "log-probs are the model's own, add up to what generate counts, and yohaku judge takes them for a verdict",
  async ({ gpu }) => {
    const { server } = await demo(gpu)
    const ask = { model: "demo", messages: user(QUESTIONS[2]!) }
    const drawn = { ...ask, seed: 5, temperature: 0.7, top_k: 3, max_tokens: 12, logprobs: true, top_logprobs: 4 }
    const { json } = await post(server, "chat/completions", drawn)
    const { content } = json.choices[0].logprobs
    expect(content).toHaveLength(json.usage.completion_tokens)
    for (const { token, logprob, bytes, top_logprobs: top } of content) {
      expect(top).toHaveLength(4)
      expect(top.slice(0, 3).some((other: { token: string }) => other.token === token)).toBe(true)
      expect(top.map((other: { logprob: number }) => other.logprob)).toEqual(
        top.map((other: { logprob: number }) => other.logprob).toSorted((one: number, other: number) => other - one),
      )
      expect(logprob).toBeLessThanOrEqual(top[0].logprob)
      if (bytes !== null) expect(new TextDecoder().decode(Uint8Array.from(bytes))).toBe(token)
    }
    const streamed = await stream(server, "chat/completions", drawn)
    expect(streamed.chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? [])).toEqual(content)

    const question = await judgeQuestion(
      "demo",
      [{ role: "user", content: "{output_1} or {output_2}: {instruction}?" }],
      {
        instruction: "Tea",
        baseline: "hot",
        model: "cold",
      },
    )
    const endpoint = { url: `${server.url}/v1`, judge: "demo", apiKey: undefined }
    const judged = await askOnce(endpoint, question, new AbortController().signal)
    expect(judged).toMatchObject({ kind: "answered", answer: { model: "demo", tokens: { completion: 1 } } })

    const text = await post(server, "completions", { model: "demo", prompt: "Park here", temperature: 0, logprobs: 2 })
    const { tokens, token_logprobs: logProbs, top_logprobs: top, text_offset: offsets } = text.json.choices[0].logprobs
    expect([tokens.length, logProbs.length, top.length, offsets.length]).toEqual(
      Array(4).fill(text.json.usage.completion_tokens),
    )
    expect(text.json.usage.completion_tokens).toBeLessThanOrEqual(16)
    for (const [index, token] of tokens.entries()) expect(top[index][token]).toBe(logProbs[index])
    expect(offsets[0]).toBe(0)
  },
)

softwareTest("one seed gives one answer, another seed another", async ({ gpu }) => {
  const { server } = await demo(gpu)
  const ask = async (seed: number) =>
    (await post(server, "chat/completions", { model: "demo", messages: user("Tea?"), seed, max_tokens: 30 })).json
      .choices
  expect(await ask(1)).toEqual(await ask(1))
  expect(await ask(1)).not.toEqual(await ask(2))
})
