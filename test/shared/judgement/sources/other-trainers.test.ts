// Pairs as LLaMA-Factory and axolotl take them, Argilla's flat export, and lists that tables hold as text.
import { describe, expect, test } from "vitest"
import { assistant, faultOf, pairsOf, read, user } from "./read-record.ts"

const answers = { chosen: { from: "gpt", value: "4" }, rejected: { from: "gpt", value: "5" } }
const said = (from: string, value: string) => ({ from, value })

describe("LLaMA-Factory's sharegpt pairs", () => {
  test("keep system, calls, observations and tools", async () => {
    const tools = [{ name: "add" }]
    const conversations = [
      said("human", "2+2?"),
      said("function_call", '{"name": "add", "arguments": {"a": 2}}'),
      said("observation", "4"),
    ]
    const { pairs, unread } = await read({
      conversations,
      ...answers,
      system: "Be exact.",
      tools: JSON.stringify(tools),
    })
    expect(pairs).toMatchObject([
      {
        prompt: [
          { role: "system", content: "Be exact." },
          user("2+2?"),
          {
            role: "assistant",
            content: "",
            tool_calls: [{ type: "function", function: { name: "add", arguments: { a: 2 } } }],
          },
          { role: "tool", content: "4" },
        ],
        chosen: [assistant("4")],
        rejected: [assistant("5")],
        tools,
      },
    ])
    expect(unread).toEqual([])
  })

  test("name what is wrong", async () => {
    expect(await faultOf({ conversations: [], ...answers })).toBe("conversations is empty; give at least one message")
    expect(await faultOf({ ...answers })).toBe("conversations is missing; give the messages before the answers")
    expect(await faultOf({ conversations: [said("robot", "x")], ...answers })).toContain(
      'conversations.0.from is "robot"; use one of human, user, gpt',
    )
    expect(await faultOf({ conversations: [said("function_call", "add")], ...answers })).toContain(
      "conversations.0.value must be a JSON object with the called function's name",
    )
    expect(await faultOf({ conversations: [said("human", "q")], chosen: answers.chosen })).toBe(
      "rejected is missing; give both responses",
    )
  })

  test("lose no part of the prompt: what is said in two places must be the same, or it is refused with both names", async () => {
    const [asks, answered, asksOn] = [said("human", "a?"), said("gpt", "A."), said("human", "b?")]
    const conversations = [asks, answered, asksOn]
    const whole = [user("a?"), assistant("A."), user("b?")]
    for (const beside of [
      { prompt: "b?" },
      { prompt: " a? " },
      { prompt: "" },
      { messages: [...conversations, answers.chosen] },
    ])
      expect((await read({ conversations, ...answers, ...beside })).pairs).toMatchObject([{ prompt: whole }])
    for (const beside of [{ prompt: "c?" }, { messages: [said("human", "c?"), asksOn] }])
      expect(await faultOf({ conversations, ...answers, ...beside })).toMatch(
        /^(?:prompt|messages) says what conversations does not, and both could be the prompt; keep the one/,
      )
    const briefed = [said("system", "Be exact."), asks]
    const system = { role: "system", content: "Be exact." }
    expect((await read({ conversations: briefed, ...answers, system: "Be exact." })).pairs).toMatchObject([
      { prompt: [system, user("a?")] },
    ])
    expect(await faultOf({ conversations: briefed, ...answers, system: "Be kind." })).toBe(
      "system stands beside a conversation that begins with another system text; keep one",
    )
  })

  test("may have answers in lists, and whole conversations in ShareGPT's spelling are TRL's", async () => {
    const lists = { chosen: [answers.chosen], rejected: [answers.rejected] }
    expect(await pairsOf({ conversations: [said("human", "q")], ...lists })).toEqual([["4", "5"]])
    const whole = { chosen: [said("human", "q"), answers.chosen], rejected: [said("human", "q"), answers.rejected] }
    expect((await read(whole)).pairs).toMatchObject([{ prompt: [user("q")], chosen: [assistant("4")] }])
  })
})

describe("alpaca pairs", () => {
  test("join instruction and input by a line end, after system and history", async () => {
    const record = {
      instruction: "Add",
      input: "2+2",
      chosen: "4",
      rejected: "5",
      system: "Be exact.",
      history: [["1+1", "2"]],
    }
    expect((await read(record)).pairs).toMatchObject([
      { prompt: [{ role: "system", content: "Be exact." }, user("1+1"), assistant("2"), user("Add\n2+2")] },
    ])
    expect((await read({ ...record, input: "", system: "", history: [] })).pairs[0]!.prompt).toEqual([user("Add")])
    expect(await faultOf({ ...record, history: [["1+1"]] })).toBe("history must be a list of [question, answer]")
    expect(await faultOf({ instruction: "", chosen: "4", rejected: "5" })).toContain("instruction is empty")
  })

  test("lose no part of the prompt: two fields that could be it are refused, unless they say the same", async () => {
    const pair = { chosen: "4", rejected: "5" }
    for (const [first, second] of [
      ["instruction", "question"],
      ["question", "input"],
    ] as const) {
      expect(await faultOf({ ...pair, [first]: "Add", [second]: "2+2" })).toContain(
        `${second} stands beside ${first}, and both could be the prompt; call the field`,
      )
      for (const other of ["Add", "", null])
        expect((await read({ ...pair, [first]: "Add", [second]: other })).pairs[0]!.prompt).toEqual([user("Add")])
    }
  })

  test("are axolotl's too: a question, or an input alone, and answers by their longer names", async () => {
    const pair = { chosen: [assistant("4")], rejected: [assistant("5")], prompt: [user("2+2?")] }
    for (const record of [
      { question: "2+2?", chosen: "4", rejected: "5" },
      { input: "2+2?", chosen: "4", rejected: "5" },
      { instruction: "2+2?", chosen_response: "4", rejected_response: "5" },
    ])
      expect((await read(record)).pairs).toMatchObject([pair])
  })

  test("are not taken for Anthropic HH, nor HH for them", async () => {
    const hh = { chosen: "\n\nHuman: q\n\nAssistant: a", rejected: "\n\nHuman: q\n\nAssistant: b", question: "other" }
    const { pairs, unread } = await read(hh)
    expect([pairs[0]!.prompt, unread]).toEqual(["\n\nHuman: q\n\nAssistant:", ["question"]])
  })
})

describe("Argilla's flat export", () => {
  const record = {
    ...{ id: "r1", status: "completed", _server_id: "x", prompt: "Q?", response_a: "one", response_b: "two" },
    "preference.responses": ["response_a", "response_b", "response_b"],
    "preference.responses.users": ["u1", "u2", "u3"],
    "preference.responses.status": ["submitted", "submitted", "discarded"],
  }

  test("gives each annotator's judgement, by the annotator's name", async () => {
    const { pairs, reasons } = await read(record)
    expect(pairs.map(({ id, chosen }) => [id, chosen])).toEqual([
      ["r1/u1", "one"],
      ["r1/u2", "two"],
    ])
    expect(reasons).toEqual(["discarded"])
  })

  test("reads rankings and ratings, and questions beside them are comments", async () => {
    const { "preference.responses": _, ...bare } = record
    const users = { "order.responses.users": ["u1"], "preference.responses": null }
    const ranked = { ...bare, "order.responses": [["response_b", "response_a"]], ...users }
    expect(
      await pairsOf({ ...ranked, "preference.responses.users": null, "preference.responses.status": null }),
    ).toEqual([["two", "one"]])
    const rated = {
      ...{ id: "r1", status: "completed", prompt: "Q?", response_a: "one", response_b: "two" },
      ...{ "response_a_rating.responses": [2], "response_b_rating.responses": [4] },
    }
    expect(await pairsOf(rated)).toEqual([["two", "one"]])
  })

  test("has metadata and vectors as columns, which are no responses", async () => {
    const columns = { vector_1: [0.5], vector_2: [0.25], words: 3, "preference.responses": ["tie"] }
    const tie = {
      ...record,
      ...columns,
      "preference.responses.users": ["u1"],
      "preference.responses.status": ["submitted"],
    }
    expect((await read(tie)).reasons).toEqual(["tie"])
    expect(await pairsOf({ ...tie, "preference.responses": ["response_b"] })).toEqual([["two", "one"]])
  })

  test("has metadata of texts as columns too: where they are named like answers or prompts, which is meant is asked for", async () => {
    const answered = (label: string) => ({ "preference.responses": [label], "preference.responses.users": ["u1"] })
    const { "preference.responses.status": _, ...bare } = record
    const models = { ...bare, model_a: "gpt", model_b: "llama" }
    expect(await pairsOf({ ...models, ...answered("response_b") })).toEqual([["two", "one"]])
    expect(await faultOf({ ...models, ...answered("model_a") })).toContain("model_a was chosen, and what it was")
    const numbered = { ...bare, ...answered("response_a"), response_1: "m" }
    expect(await faultOf(numbered)).toContain('"response_1" and "response_a" and "response_b"')
    const asked = { ...bare, ...answered("response_a"), instruction: "be brief" }
    expect(await faultOf(asked)).toContain('the prompt could be "instruction" and "prompt"')
  })

  test("without answers is unlabelled, and lists of different lengths are a fault", async () => {
    const suggested = {
      id: "r1",
      status: "pending",
      prompt: "Q?",
      response_a: "one",
      response_b: "two",
      "preference.suggestion": "response_a",
    }
    expect((await read(suggested)).reasons).toEqual(["unlabelled"])
    expect(await faultOf({ ...record, "preference.responses.users": ["u1"] })).toBe(
      "preference.responses.users must be a list as long as preference.responses",
    )
  })
})

describe("lists that a table holds as text", () => {
  const messages = (answer: string) => JSON.stringify([user("q"), assistant(answer)])

  test("of JSON are what they say", async () => {
    expect(await pairsOf({ chosen: messages("a"), rejected: messages("b") })).toEqual([["a", "b"]])
    expect((await read({ prompt: "q", chosen: messages("a"), rejected: messages("b") })).pairs[0]!.prompt).toEqual([
      user("q"),
    ])
    expect(await pairsOf({ prompt: "q", responses: '["a","b"]', scores: "[1,2]" })).toEqual([["b", "a"]])
  })

  test("as Python or NumPy prints them are refused", async () => {
    const python = (answer: string) =>
      `[{'content': 'q', 'role': 'user'}\n {'content': '${answer}', 'role': 'assistant'}]`
    for (const record of [
      { chosen: python("a"), rejected: python("b") },
      { prompt: python("x"), chosen: python("a"), rejected: python("b") },
      { prompt: "q", completion: python("a"), label: true },
    ])
      expect(await faultOf(record)).toContain("is a list of messages as Python prints it")
  })

  test("are text where the other response is no such list: the task may be to write one", async () => {
    expect(await pairsOf({ prompt: "Write a chat.", chosen: messages("a"), rejected: "No." })).toEqual([
      [messages("a"), "No."],
    ])
  })
})
