import { describe, expect, test } from "vitest"
import { followUpTo, judgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { filledTemplate, readPromptTemplate } from "#shared/evaluation/judge/prompt-template.ts"
import { ASKED_PROTOCOL_NAMES, PROTOCOLS } from "#shared/evaluation/judge/protocol.ts"

const shown = { instruction: "<I>", output_1: "<1>", output_2: "<2>" }

describe.each(ASKED_PROTOCOL_NAMES)("%s", (name) => {
  const protocol = PROTOCOLS[name]

  test("shows one order, fixed by the instruction, or both", async () => {
    const orders = await Promise.all(["a", "b", "c", "d", "e", "f"].map(protocol.orders))
    if (name === "log-probs") expect(new Set(orders.flat()).size).toBe(2)
    for (const order of orders) expect(order).toEqual(name === "log-probs" ? [order[0]] : [false, true])
  })

  test("has words that hold instruction and answers, each once, and tell what to write", () => {
    const text = filledTemplate(protocol.template, shown)
      .map(({ content }) => content)
      .join("\n")
    for (const part of Object.values(shown)) expect(text.split(part)).toHaveLength(2)
    const names = { "log-probs": ["m", "M"], text: ["[[A]]", "[[B]]", "[[C]]"] }[name as "text"] ?? [
      "[[A>>B]]",
      "[[A>B]]",
      "[[A=B]]",
      "[[B>A]]",
      "[[B>>A]]",
    ]
    for (const label of names) expect(text).toContain(label)
  })

  test("reads what it asks to write", () => {
    const read = (text: string, verdict?: object) =>
      protocol.read({
        model: "j",
        text,
        ...(verdict as object),
        finishReason: "stop",
        tokens: { prompt: 1, cached: 0, completion: 1 },
      })
    if (name === "log-probs") {
      expect(read("m", { verdict: { first: Math.log(0.8), second: Math.log(0.2) } }).shareOfFirst).toBeCloseTo(0.8, 12)
      expect(read("m").shareOfFirst).toBeUndefined()
      return
    }
    const [label, strong] = name === "text" ? ["[[A]]", "[[B]]"] : ["[[A>B]]", "[[B>>A]]"]
    expect([read(label!).shareOfFirst, read(strong!).shareOfFirst, read("None.").shareOfFirst]).toEqual([
      1,
      0,
      undefined,
    ])
    expect(read("None.").endedWithout).toBe(true)
  })
})

test("a follow-up is a question of its own: named by all that was said, and by whom it follows", async () => {
  const template = readPromptTemplate(new TextEncoder().encode("{instruction} {output_1} {output_2}"))
  const { parameters, goOn } = PROTOCOLS["arena-hard-0.1"]
  const question = await judgeQuestion("j", template, { instruction: "I", baseline: "b", model: "m" }, parameters, true)
  expect(question).toMatchObject({
    isSwapped: true,
    body: { messages: [{ role: "user", content: "I m b" }], temperature: 0 },
  })
  const more = await followUpTo(question, "Hm.", goOn!)
  expect(more).toMatchObject({ after: question.key, isSwapped: true })
  expect(more.body.messages).toEqual([
    ...question.body.messages,
    { role: "assistant", content: "Hm." },
    { role: "user", content: goOn },
  ])
  const others = await Promise.all([followUpTo(question, "Hm!", goOn!), followUpTo(question, "Hm.", "Go on.")])
  expect(new Set([question.key, more.key, ...others.map(({ key }) => key)]).size).toBe(4)
  // No endpoint takes an empty turn.
  expect((await followUpTo(question, " ", goOn!)).body.messages[1]!.content).toBe("…")
})

test.each([
  ["alpaca_eval's", "{instruction} {output_1} {output_2}"],
  ["Arena-Hard v0.1's", "{question_1} {answer_1} {answer_2}"],
  ["Arena-Hard v2.0's", "{QUESTION} {ANSWER_A} {ANSWER_B}"],
])("a template with %s places is filled", (_, text) => {
  const template = readPromptTemplate(new TextEncoder().encode(text))
  expect(filledTemplate(template, shown)[0]!.content).toBe("<I> <1> <2>")
})
