// TRL's shapes with the columns that public sets have beside them, tools, parts of text, and rows that teach nothing.
import { expect, test } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { assistant, faultOf, read, user } from "./read-record.ts"

const chat = { prompt: [user("Why is tea hot?")], chosen: [assistant("Because.")], rejected: [assistant("It is not.")] }
const plain = { prompt: "Why is tea hot?", chosen: " Because.", rejected: " It is not." }
const companions = {
  prompt_id: "9c1f",
  source: "sharegpt",
  score_chosen: 8.5,
  score_rejected: 6,
  chosen_model: "m1",
  rejected_model: "m2",
  margin: 2.5,
}

test("scores, models and origins of public sets beside the texts change nothing", async () => {
  expect((await read({ ...chat, ...companions })).pairs).toMatchObject([chat])
  expect((await read({ ...plain, ...companions })).pairs).toMatchObject([plain])
  const implicit = { chosen: [...chat.prompt, ...chat.chosen], rejected: [...chat.prompt, ...chat.rejected] }
  expect((await read({ ...implicit, ...companions })).pairs).toMatchObject([chat])
})

test("a prompt's id does not name the row: two pairs of one prompt are two rows", async () => {
  const ultra = (answer: string) => ({
    prompt: "q",
    prompt_id: "p1",
    chosen: [user("q"), assistant(answer)],
    rejected: [user("q"), assistant("no")],
  })
  const ids = [...(await read(ultra("a"))).pairs, ...(await read(ultra("b"))).pairs].map(({ id }) => id)
  expect(new Set(ids).size).toBe(2)
})

test("an unknown column is left alone and named, and strictly it is an error", async () => {
  const record = { ...plain, system: "Be brief.", prompt_id: "p" }
  const { pairs, unread } = await read(record)
  expect(pairs).toMatchObject([plain])
  expect(unread).toEqual(["system"])
  const strict = parsePreferenceRecord(record, { strict: true })
  await expect(strict).rejects.toThrow("system is an unknown field")
})

test("unknown fields of messages and of their parts are left alone and named once", async () => {
  const parts = [{ type: "text", text: "Because.", cache: true }]
  const chosen = [{ role: "assistant", content: parts, weight: 1 }]
  const { pairs, unread } = await read({ ...chat, chosen, prompt: [{ ...chat.prompt[0], name: "Ann", weight: 0 }] })
  expect(pairs).toMatchObject([chat])
  expect(unread).toEqual(["prompt.name", "prompt.weight", "chosen.weight", "chosen.content.cache"])
})

test("a role that templates do not know is refused with the name to use", async () => {
  for (const [role, name] of [
    ["Human", "user"],
    ["Assistant", "assistant"],
    ["GPT", "assistant"],
    ["bot", "assistant"],
  ])
    expect(await faultOf({ ...chat, prompt: [{ role, content: "q" }] })).toBe(
      `prompt.0.role is "${role}", which chat templates do not know; call it "${name}" (the roles are system, user, assistant and tool)`,
    )
})

test("tools, calls, tool answers and thoughts are kept for the chat template", async () => {
  const call = { type: "function", function: { name: "clock", arguments: {} } }
  const record = {
    tools: [{ type: "function", function: { name: "clock" } }],
    prompt: [
      user("What time is it?"),
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", name: "clock", tool_call_id: "c1", content: "09:30" },
    ],
    chosen: [{ role: "assistant", content: "Half past nine.", reasoning_content: "The clock says 09:30." }],
    rejected: [{ role: "assistant", content: "", tool_calls: [call] }],
  }
  const { pairs } = await read(record)
  expect(pairs).toMatchObject([
    {
      tools: record.tools,
      prompt: [user("What time is it?"), { role: "assistant", content: "", tool_calls: [call] }, record.prompt[2]],
      chosen: record.chosen,
      rejected: record.rejected,
    },
  ])
  expect((await read({ ...record, tools: JSON.stringify(record.tools) })).pairs).toEqual(pairs)
  expect(await faultOf({ ...plain, tools: record.tools })).toContain("write prompt and responses as messages")
})

test("parts of text are joined, and an image is refused", async () => {
  const parts = [
    { type: "text", text: "Why is tea", image: null },
    { type: "text", text: " hot?" },
  ]
  expect((await read({ ...chat, prompt: [{ role: "user", content: parts }] })).pairs).toMatchObject([chat])
  const image = [{ type: "image", image: "tea.png" }]
  expect(await faultOf({ ...chat, prompt: [{ role: "user", content: image }] })).toContain(
    "only text can be trained on",
  )
})

test("fields of a message that are null are absent, as tables write them", async () => {
  const withNulls = chat.prompt.map((message) => ({ ...message, name: null, tool_calls: null }))
  expect((await read({ ...chat, prompt: withNulls })).pairs).toMatchObject([chat])
})

test("empty, identical and several-turn responses are dropped by reason", async () => {
  expect((await read({ ...plain, chosen: " " })).reasons).toEqual(["empty"])
  expect((await read({ ...chat, rejected: chat.chosen })).reasons).toEqual(["identical"])
  const same = [user("a"), assistant("b")]
  expect((await read({ chosen: same, rejected: same })).reasons).toEqual(["identical"])
  const further = [assistant("a"), user("and?"), assistant("b")]
  expect((await read({ ...chat, chosen: further })).reasons).toEqual(["several-turns"])
  const tool = [assistant("a"), { role: "tool", content: "1" }, assistant("b")]
  expect((await read({ ...chat, rejected: tool })).reasons).toEqual(["several-turns"])
})

test("an implicit prompt in plain text is refused: one response may be the beginning of the other", async () => {
  expect(await faultOf({ chosen: "The sky is blue.", rejected: "The sky is blue. And green." })).toContain(
    'give "prompt"',
  )
})

test("text answers to a prompt of messages are the assistant's turns, in a table's cell as in JSON, with tools too", async () => {
  const tools = [{ type: "function", function: { name: "time", parameters: {} } }]
  const texts = { chosen: "Because.", rejected: "It is not." }
  for (const prompt of [chat.prompt, JSON.stringify(chat.prompt)]) {
    expect((await read({ prompt, ...texts })).pairs).toMatchObject([chat])
    expect((await read({ prompt, ...texts, tools })).pairs).toMatchObject([{ ...chat, tools }])
  }
  expect(await faultOf({ prompt: chat.prompt, chosen: "Because.", rejected: chat.rejected })).toBe(
    "rejected must be text",
  )
})

test("an answer that is null is said to be null, whichever it is", async () => {
  const [asText, asChat] = [
    { prompt: "q", chosen: "a", rejected: "b" },
    { prompt: [user("q")], chosen: [assistant("a")], rejected: [assistant("b")] },
  ]
  for (const record of [asText, asChat]) {
    expect(await faultOf({ ...record, chosen: null })).toBe("chosen is null; give both responses")
    expect(await faultOf({ ...record, rejected: null })).toBe("rejected is null; give both responses")
  }
})
