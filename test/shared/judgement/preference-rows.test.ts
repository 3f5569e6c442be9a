import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { InvalidPreferenceRow, type PreferenceRow } from "#shared/judgement/preference-rows.ts"
import { parsePreferenceRow } from "./parse-row.ts"

const parse = async (value: unknown): Promise<PreferenceRow> =>
  (await parsePreferenceRow(JSON.stringify(value))) as PreferenceRow
const user = (content: string) => ({ role: "user", content })
const assistant = (content: string) => ({ role: "assistant", content })

const chat = { prompt: [user("Why is tea hot?")], chosen: [assistant("Because.")], rejected: [assistant("It is not.")] }
const plain = { prompt: "Why is tea hot?", chosen: " Because.", rejected: " It is not." }

describe("a row of preference data", () => {
  const shapes: [string, unknown, unknown][] = [
    ["the native shape", { id: "row-1", ...plain }, { id: "row-1", ...plain }],
    ["TRL explicit chat", { id: 7, ...chat }, { id: "7", ...chat }],
    [
      "TRL implicit chat",
      { id: "x", chosen: [...chat.prompt, ...chat.chosen], rejected: [...chat.prompt, ...chat.rejected] },
      { id: "x", ...chat },
    ],
    [
      "TRL implicit chat of several turns",
      {
        id: "x",
        chosen: [user("a"), assistant("b"), user("c"), assistant("d")],
        rejected: [user("a"), assistant("b"), user("c"), assistant("e")],
      },
      { id: "x", prompt: [user("a"), assistant("b"), user("c")], chosen: [assistant("d")], rejected: [assistant("e")] },
    ],
    [
      "UltraFeedback",
      {
        prompt_id: "u1",
        prompt: "Why is tea hot?",
        chosen: [...chat.prompt, ...chat.chosen],
        rejected: [...chat.prompt, ...chat.rejected],
        messages: [...chat.prompt, ...chat.chosen],
        score_chosen: 8,
        score_rejected: 2.5,
      },
      { id: expect.stringMatching(/^sha256:/), ...chat },
    ],
    [
      "OpenAI preferred_output",
      {
        id: "o1",
        input: { messages: chat.prompt, tools: [], parallel_tool_calls: true },
        preferred_output: chat.chosen,
        non_preferred_output: chat.rejected,
      },
      { id: "o1", ...chat },
    ],
    [
      "Anthropic HH, split at the last answer",
      {
        id: "h1",
        chosen: "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d",
        rejected: "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: e",
      },
      { id: "h1", prompt: "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:", chosen: " d", rejected: " e" },
    ],
  ]
  it.each(shapes)("is read from %s", async (_name, given, expected) => {
    expect(await parse(given)).toEqual(expected)
  })

  it("gets an id from its content, the same in every shape and key order", async () => {
    const { id } = await parse(chat)
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/)
    const openAi = {
      non_preferred_output: chat.rejected,
      preferred_output: chat.chosen,
      input: { messages: chat.prompt },
    }
    expect((await parse(openAi)).id).toBe(id)
    expect((await parse({ ...chat, chosen: [assistant("Because!")] })).id).not.toBe(id)
  })

  it("keeps every character of its texts", async () => {
    const odd = "\u0000\ufeff \u202eé e\u0301 \u{1f375} </s>\r\n"
    const row = await parse({ prompt: odd, chosen: `${odd}1`, rejected: `${odd}2` })
    expect([row.prompt, row.chosen, row.rejected]).toEqual([odd, `${odd}1`, `${odd}2`])
  })

  it("is read from UTF-8 bytes too", async () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ ...plain, chosen: "お茶" }))
    expect(await parsePreferenceRow(bytes)).toMatchObject({ chosen: "お茶" })
  })

  const refused: [string, string | Uint8Array, string, string][] = [
    ["a line that is not JSON", "{", "", "not JSON"],
    ["a line that is a list", "[]", "", "not a JSON object"],
    ["bytes that are not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), "", "not UTF-8"],
    ["a repeated key", '{"prompt":"a","chosen":"b","chosen":"c","rejected":"d"}', "chosen", "twice"],
    ["half a surrogate pair", '{"prompt":"a","chosen":"\\ud800","rejected":"d"}', "chosen", "surrogate"],
    ["nesting without end", `{"a":${"[".repeat(9999)}${"]".repeat(9999)}}`, "", "deeper"],
  ]
  it.each(refused)("is refused as %s", async (_name, line, field, message) => {
    const failure = await parsePreferenceRow(line).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(InvalidPreferenceRow)
    expect(failure).toMatchObject({ _tag: "InvalidPreferenceRow", field, message: expect.stringContaining(message) })
  })

  const bad: [string, unknown, string, string][] = [
    ["an unknown field", { ...plain, label: true }, "label", "unknown"],
    ["a row of no known shape", { text: "a" }, "text", "none of the known shapes"],
    ["several pairs", { prompt: "a", responses: ["b", "c", "d"], scores: [1, 2, 3] }, "", "states 3 pairs"],
    [
      "a text that is placed above and beside another",
      { prompt: "a", responses: ["b", "b", "c"], scores: [1, 2, 2] },
      "",
      "judged alike",
    ],
    ["a prompt without responses", { prompt: "a", text: "b" }, "prompt", "name its columns"],
    ["one response", { prompt: "a", response: "b" }, "prompt", "train with method sft"],
    ["one response in a conversation", { messages: [user("a"), assistant("b")] }, "messages", "train with method sft"],
    ["a tie", { prompt: "a", responses: ["b", "c"], scores: [2, 2] }, "", "judged alike"],
    ["an unknown field of a message", { ...chat, prompt: [{ ...user("a"), name: "x" }] }, "prompt.0.name", "unknown"],
    ["an unknown field of an OpenAI input", { input: { messages: chat.prompt, user: "x" } }, "input.user", "unknown"],
    ["no rejected response", { prompt: "a", chosen: "b" }, "rejected", "missing"],
    ["no OpenAI response", { input: { messages: chat.prompt } }, "preferred_output", "list of messages"],
    ["an empty response", { ...plain, chosen: "" }, "chosen", "empty"],
    ["a blank response", { ...plain, rejected: " \n" }, "rejected", "empty"],
    ["an empty list of messages", { ...chat, rejected: [] }, "rejected", "empty"],
    ["an empty answer in chat", { ...chat, chosen: [assistant("")] }, "chosen", "empty"],
    ["identical responses", { ...plain, rejected: plain.chosen }, "rejected", "same as chosen"],
    ["identical answers in chat", { ...chat, rejected: chat.chosen }, "rejected", "same as chosen"],
    [
      "identical conversations",
      { chosen: [user("a"), assistant("b")], rejected: [user("a"), assistant("b")] },
      "rejected",
      "same",
    ],
    ["a text that is a number", { ...plain, chosen: 4 }, "chosen", "list of messages"],
    ["a rejected of another kind than chosen", { ...plain, rejected: chat.rejected }, "rejected", "must be text"],
    ["a prompt that is null", { ...chat, prompt: null }, "prompt", "text or a list"],
    ["an empty chat prompt", { ...chat, prompt: [] }, "prompt", "empty"],
    [
      "content that is no text",
      { ...chat, chosen: [{ role: "assistant", content: [] }] },
      "chosen.0.content",
      "must be text",
    ],
    ["a message without a role", { ...chat, chosen: [{ content: "x" }] }, "chosen.0.role", "missing"],
    ["a user's message in a response", { ...chat, chosen: [assistant("a"), user("b")] }, "chosen", "user"],
    [
      "conversations that share no first message",
      { chosen: [assistant("a")], rejected: [assistant("b")] },
      "prompt",
      "share no",
    ],
    [
      "a conversation that only goes on from the other",
      { chosen: [user("a"), assistant("b")], rejected: [user("a")] },
      "rejected",
      "empty",
    ],
    ["transcripts without a marker", { chosen: "a", rejected: "b" }, "chosen", "Assistant:"],
    [
      "transcripts that part before the last answer",
      { chosen: "\n\nHuman: a\n\nAssistant: b", rejected: "\n\nHuman: c\n\nAssistant: d" },
      "rejected",
      "another conversation",
    ],
    [
      "an UltraFeedback prompt that is not the shared message",
      { prompt: "x", chosen: [user("a"), assistant("b")], rejected: [user("a"), assistant("c")] },
      "prompt",
      "last message",
    ],
    ["tools beside plain text", { ...plain, tools: [{}] }, "tools", "plain text"],
    ["an empty id", { id: "", ...plain }, "id", "non-empty"],
    ["a fractional id", { id: 1.5, ...plain }, "id", "integer"],
  ]
  it.each(bad)("is refused with %s, naming the field", async (_name, value, field, message) => {
    const failure = await parse(value).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(InvalidPreferenceRow)
    expect(failure).toMatchObject({ field, message: expect.stringContaining(message) })
  })

  it("is parsed or refused with InvalidPreferenceRow, whatever the JSON", async () => {
    const texts = fc.oneof(fc.string(), fc.constantFrom("\n\nHuman: a\n\nAssistant: b", ""))
    const messages = fc.array(fc.record({ role: fc.constantFrom("user", "assistant"), content: texts }), {
      maxLength: 3,
    })
    const part = fc.oneof(texts, messages, fc.jsonValue({ maxDepth: 2 }))
    const keys = ["id", "prompt", "chosen", "rejected", "input", "preferred_output", "non_preferred_output"]
    const record = fc.dictionary(fc.constantFrom(...keys), part)
    await fc.assert(
      fc.asyncProperty(fc.oneof(record, fc.jsonValue()), async (value) => {
        const outcome = await parse(value).catch((error: Error) => error)
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(InvalidPreferenceRow)
        else expect(JSON.stringify(outcome.chosen)).not.toBe(JSON.stringify(outcome.rejected))
      }),
      { numRuns: 300 },
    )
  })
})
