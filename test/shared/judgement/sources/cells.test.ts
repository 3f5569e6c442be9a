// Lists and objects in the cells of a table: read as what they say, or refused, and never as the text of an answer.
import fc from "fast-check"
import { expect, test } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"

const refusal = (fields: Readonly<Record<string, unknown>>): Promise<string> =>
  parsePreferenceRecord(fields).then(
    () => "none",
    (error: Error) => error.message,
  )

test("numbers in a cell are numbers, however they are written", async () => {
  const { pairs } = await parsePreferenceRecord({
    prompt: "p",
    responses: '["a", "b"]',
    scores: "[4.0, 3.5]",
  })
  expect(pairs.map(({ chosen, rejected }) => [chosen, rejected])).toEqual([["a", "b"]])
})

test("a key that stands twice in a cell's object is refused by name", async () => {
  const judgement = '{"kind":"choice","winner":"a","winner":"b"}'
  const candidates = '[{"id":"a","response":"x"},{"id":"b","response":"y"}]'
  expect(await refusal({ externalId: "1", prompt: "p", candidates, judgement })).toMatch(/^winner is there twice/)
})

test("a cell that nests without end is refused, and is no error of the program", async () => {
  const deep = "[".repeat(5000) + "]".repeat(5000)
  expect(await refusal({ prompt: "p", responses: deep, scores: "[1,2]" })).toMatch(/nests deeper than 128 levels/)
})

test("messages as Python or NumPy prints them are refused, in the prompt too", async () => {
  const printed = "[{'role': 'user', 'content': 'q'}]"
  expect(await refusal({ prompt: printed, chosen: "yes", rejected: "no" })).toMatch(/as Python prints it/)
  const array = "array([{'content': 'x', 'role': 'user'}], dtype=object)"
  expect(await refusal({ prompt: "p", chosen: array, rejected: array })).toMatch(/as Python prints it/)
})

test("answers that are JSON of their own are text, whatever their keys are called", async () => {
  for (const answer of [
    (text: string) => JSON.stringify({ content: text, lang: "en" }),
    (text: string) => JSON.stringify({ from: "Paris", to: text }),
    (text: string) => JSON.stringify([{ from: "Paris", to: text }]),
    (text: string) => JSON.stringify({ from: "Paris", value: text }),
    (text: string) => JSON.stringify({ role: "admin", content: text }),
    (text: string) => JSON.stringify([{ role: "user", name: text }]),
    (text: string) => `{"role": "user", "content": "hi"} is what ${text} sends.`,
  ]) {
    const [chosen, rejected] = ["Ada", "Bob"].map(answer)
    const { pairs } = await parsePreferenceRecord({ prompt: "As JSON, please.", chosen, rejected })
    expect(pairs).toMatchObject([{ prompt: "As JSON, please.", chosen, rejected }])
  }
})

test("any object of JSON that both answers to a plain prompt are is learnt as it stands, or refused: never read as what it holds", async () => {
  const word = fc.constantFrom("user", "assistant", "gpt", "human", "Paris", "system", "x", "")
  const key = fc.constantFrom("role", "content", "from", "value", "lang", "to", "id")
  const answer = fc.dictionary(key, fc.oneof(word, fc.nat(9), fc.constant(null), fc.array(word)), { minKeys: 1 })
  let learnt = 0
  await fc.assert(
    fc.asyncProperty(answer, answer, fc.boolean(), async (one, other, isSpaced) => {
      const [chosen, rejected] = [one, other].map((fields) => JSON.stringify(fields, null, isSpaced ? 1 : 0))
      const read = await parsePreferenceRecord({ prompt: "q", chosen, rejected }).catch((error: Error) => error.message)
      if (typeof read === "string") expect(read).toMatch(/^(?:chosen|rejected)/)
      else for (const pair of read.pairs) expect(pair).toMatchObject({ prompt: "q", chosen, rejected })
      if (typeof read !== "string") learnt += read.pairs.length
    }),
    { numRuns: 300 },
  )
  expect(learnt).toBeGreaterThan(150)
})

test("a prompt that begins with messages and asks about them is text, and one whose messages are cut off is refused", async () => {
  const list = '[{"role": "user", "content": "it\'s [so] {nice}"}, {"role": "assistant", "content": "a \\" b"}]'
  const printed = `[{'role': 'user', 'content': "it's"}]`
  for (const given of [list, list.slice(1, list.indexOf("}, ") + 1), printed]) {
    const prompt = `${given}\nWho speaks here?`
    const { pairs } = await parsePreferenceRecord({ prompt, chosen: "a", rejected: "b" })
    expect(pairs).toMatchObject([{ prompt, chosen: "a" }])
  }
  for (const cut of [list.slice(0, -1), list.slice(0, -6), `${list} ${list}`])
    expect(await refusal({ prompt: cut, chosen: "a", rejected: "b" })).toMatch(/whose JSON is broken/)
})

test("one message as JSON beside a prompt in plain text is refused, since it may be the answer itself", async () => {
  const [chosen, rejected] = ["a", "b"].map((content) => JSON.stringify({ role: "assistant", content }))
  expect(await refusal({ prompt: "As a message, please.", chosen, rejected })).toMatch(
    /^chosen is one message as JSON, which may as well be what was answered/,
  )
  expect(await refusal({ prompt: "q", completion: chosen, label: true })).toMatch(/^completion is one message as JSON/)
  const conversations = '[{"role": "user", "content": "q"}]'
  for (const asked of [{ conversations }, { prompt: conversations, messages: conversations }]) {
    const { pairs } = await parsePreferenceRecord({ ...asked, chosen, rejected })
    expect(pairs).toMatchObject([{ chosen: [{ role: "assistant", content: "a" }] }])
  }
})

test("a key that stands twice in tools, or in the call of a message, that a cell holds as text is refused by name", async () => {
  const [prompt, chosen, rejected] = ["user", "assistant", "assistant"].map((role, index) => [
    { role, content: `${index}` },
  ])
  expect(await refusal({ prompt, chosen, rejected, tools: '[{"name":"f","name":"g"}]' })).toMatch(
    /^name is there twice/,
  )
  const call = { from: "function_call", value: '{"name":"f","arguments":{},"name":"g"}' }
  expect(await refusal({ conversations: [{ from: "human", value: "q" }], chosen: call, rejected: call })).toMatch(
    /^name is there twice/,
  )
})

test("responses that differ in the indentation of their first line are a pair; in other outer space they are one text", async () => {
  const reasons = async (chosen: string, rejected: string) =>
    (await parsePreferenceRecord({ prompt: "def f():", chosen, rejected })).dropped.map(({ reason }) => reason)
  expect(await reasons("    return 1", "return 1")).toEqual([])
  expect(await reasons("\treturn 1", "return 1\n")).toEqual([])
  expect(await reasons("\n  return 1", "  return 1 ")).toEqual(["identical"])
  expect(await reasons(" yes\n", "yes")).toEqual(["identical"])
})
