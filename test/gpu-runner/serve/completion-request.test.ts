// What requests may say: what is taken, and what is refused with the name of the field.
import { expect, test } from "vitest"
import { readCompletionRequest } from "#gpu-runner/serve/completion-request.ts"

const MESSAGES = [{ role: "user", content: "May I park here?" }]
const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))
const chat = (more: object) => readCompletionRequest("chat", bytes({ model: "m", messages: MESSAGES, ...more }))
const text = (more: object) => readCompletionRequest("text", bytes({ model: "m", prompt: "Tea", ...more }))

test("a plain chat asks for one drawn answer that may fill the context, with another seed every time", () => {
  const asked = chat({})
  expect(asked).toMatchObject({
    kind: "chat",
    model: "m",
    prompts: [MESSAGES],
    count: 1,
    sampling: { temperature: 1 },
    maxTokens: undefined,
    stops: [],
    logProbs: undefined,
    isStreamed: false,
    includesUsage: false,
  })
  expect(chat({}).seed).not.toBe(asked.seed)
})

test("options are read as OpenAI's clients and vLLM's send them; null is a field that is not there", () => {
  const asked = chat({
    ...{ n: 3, seed: -5, temperature: 0.5, top_p: 0.9, top_k: 40, min_p: 0.1, repetition_penalty: 1.1 },
    ...{ max_completion_tokens: 7, stop: ["a", "b"], logprobs: true, top_logprobs: 5, stream: true },
    ...{ stream_options: { include_usage: true }, chat_template_kwargs: { enable_thinking: false } },
    ...{
      user: "u",
      store: false,
      frequency_penalty: 0,
      response_format: { type: "text" },
      tools: null,
      tool_choice: "none",
    },
  })
  expect(asked).toMatchObject({ count: 3, seed: -5, maxTokens: 7, stops: ["a", "b"], logProbs: 5, isStreamed: true })
  expect(asked.sampling).toEqual({ temperature: 0.5, topP: 0.9, topK: 40, minP: 0.1, repetitionPenalty: 1.1 })
  expect(asked).toMatchObject({ includesUsage: true, chatTemplateOptions: { enable_thinking: false } })
  expect(chat({ top_k: 0 }).sampling.topK).toBe(chat({ top_k: -1 }).sampling.topK)
})

test("messages may be in parts, and a developer is a system", () => {
  const parts = [
    { type: "text", text: "May " },
    { type: "text", text: "I?" },
  ]
  expect(chat({ messages: [{ role: "developer", content: parts, name: null }] }).prompts).toEqual([
    [{ role: "system", content: "May I?" }],
  ])
})

test("a prompt is a text, ids, or a list of either", () => {
  expect(text({}).prompts).toEqual(["Tea"])
  expect(text({ prompt: ["a", "b"] }).prompts).toEqual(["a", "b"])
  expect(text({ prompt: [0, 2] }).prompts).toEqual([Uint32Array.of(0, 2)])
  expect(text({ prompt: [[1], [2, 3]], logprobs: 0 })).toMatchObject({
    prompts: [Uint32Array.of(1), Uint32Array.of(2, 3)],
    logProbs: 0,
  })
})

test.each<[object, string, string, string]>([
  [{ temperature: -1 }, "invalid_value", "temperature", "temperature is -1; give a number from 0"],
  [{ temperature: "1" }, "invalid_value", "temperature", 'temperature is "1"; give a number'],
  [{ top_p: 0 }, "invalid_value", "top_p", "top_p is 0; give a number above 0, up to 1"],
  [{ top_k: 1.5 }, "invalid_value", "top_k", "top_k is 1.5; give a whole number"],
  [{ repetition_penalty: 0 }, "invalid_value", "repetition_penalty", "repetition_penalty is 0; give a positive number"],
  [{ n: 0 }, "invalid_value", "n", "n is 0; give a whole number from 1 to 128"],
  [{ max_tokens: 0 }, "invalid_value", "max_tokens", "max_tokens is 0"],
  [{ max_tokens: 1, max_completion_tokens: 2 }, "invalid_value", "max_tokens", "give one of them"],
  [{ stop: ["a", "b", "c", "d", "e"] }, "invalid_value", "stop", "up to 4 of them"],
  [{ stop: "" }, "invalid_value", "stop", "a text of 1 to 1024 characters"],
  [{ top_logprobs: 5 }, "invalid_value", "top_logprobs", "top_logprobs needs logprobs: true"],
  [{ logprobs: true, top_logprobs: 21 }, "invalid_value", "top_logprobs", "from 0 to 20"],
  [{ stream_options: { include: 1 } }, "invalid_value", "stream_options", '{"include_usage": true}'],
  [{ response_format: { type: "json_object" } }, "unsupported_parameter", "response_format", "answers are text"],
  [{ tools: [{ type: "function" }] }, "unsupported_parameter", "tools", "no tools are called"],
  [{ logit_bias: { 5: 1 } }, "unsupported_parameter", "logit_bias", "no logits are changed"],
  [{ presence_penalty: 0.5 }, "unsupported_parameter", "presence_penalty", "use repetition_penalty"],
  [{ tempature: 1 }, "unknown_parameter", "tempature", '"tempature" is no parameter that is known here'],
  [{ model: undefined }, "missing_parameter", "model", "model is missing"],
  [{ messages: undefined }, "missing_parameter", "messages", "messages is missing"],
  [{ messages: [] }, "invalid_value", "messages", "give a list of messages"],
  [{ messages: [{ role: "tool", content: "x" }] }, "unsupported_parameter", "messages[0]", "a call of a tool"],
  [{ messages: [{ role: "wizard", content: "x" }] }, "invalid_value", "messages[0].role", "system, developer, user or"],
  [{ messages: [{ role: "user" }] }, "invalid_value", "messages[0].content", "content is null; give a text"],
  [
    { messages: [{ role: "user", content: [{ type: "image_url" }] }] },
    ...(["unsupported_parameter", "messages[0].content[0]", '"image_url"; only text is read here'] as const),
  ],
])("%j of a chat is refused: %s of %s", (more, code, param, message) => {
  expect(() => chat(more)).toThrow(expect.objectContaining({ code, param, message: expect.stringContaining(message) }))
})

test.each<[object, string, string]>([
  [{ echo: true }, "unsupported_parameter", "echo"],
  [{ suffix: "x" }, "unsupported_parameter", "suffix"],
  [{ best_of: 2 }, "unsupported_parameter", "best_of"],
  [{ prompt: [] }, "invalid_value", "prompt"],
  [{ prompt: [-1] }, "invalid_value", "prompt"],
  [{ prompt: ["a", 1] }, "invalid_value", "prompt"],
  [{ logprobs: true }, "invalid_value", "logprobs"],
  [{ messages: [] }, "unknown_parameter", "messages"],
])("%j of a text is refused: %s of %s", (more, code, param) => {
  expect(() => text(more)).toThrow(expect.objectContaining({ code, param }))
})

test.each([
  ["{", "the body is no JSON"],
  ["[]", "the body is no JSON object"],
  ['{"model": "a", "model": "b"}', 'the body holds "model" twice'],
])("%s is no request", (body, message) => {
  expect(() => readCompletionRequest("chat", bytes(body))).toThrow(expect.objectContaining({ code: "invalid_json" }))
  expect(() => readCompletionRequest("chat", bytes(body))).toThrow(message)
})
