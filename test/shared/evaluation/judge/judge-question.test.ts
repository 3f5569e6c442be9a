import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { JUDGE_PARAMETERS, judgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { DEFAULT_TEMPLATE, filledTemplate, readPromptTemplate } from "#shared/evaluation/judge/prompt-template.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const plain = readPromptTemplate(bytes("I: {instruction}\nm: {output_1}\nM: {output_2}"))

describe("a template", () => {
  test("is one user's turn, or turns between marks", () => {
    expect(plain).toEqual([{ role: "user", content: "I: {instruction}\nm: {output_1}\nM: {output_2}" }])
    const turns =
      "<|im_start|>system\nJudge.\n<|im_end|>\n<|im_start|>user\n{instruction} {output_1} {output_2}\n<|im_end|>\n"
    expect(readPromptTemplate(bytes(turns))).toEqual([
      { role: "system", content: "Judge." },
      { role: "user", content: "{instruction} {output_1} {output_2}" },
    ])
  })

  test.each([
    ["{instruction} {output_1}", /^has no place for \{output_2\}; write all three$/],
    ["Which?", /^has no place for \{instruction\}, \{output_1\}, \{output_2\};/],
    ["<|im_start|>user\n{instruction} {output_1} {output_2}", /^opens a turn that it does not close/],
  ])("%j is refused", (text, message) => {
    expect(() => readPromptTemplate(bytes(text))).toThrow(UnusableJudgements)
    expect(() => readPromptTemplate(bytes(text))).toThrow(message)
  })

  test("is filled in one pass: what stands in a text is no place, and no sign in it means anything", () => {
    const shown = { instruction: "{output_1} $& $1 $$", output_1: "{output_2}", output_2: "{instruction} $`" }
    expect(filledTemplate(plain, shown)[0]!.content).toBe("I: {output_1} $& $1 $$\nm: {output_2}\nM: {instruction} $`")
  })

  test("holds each text as it is, whatever it is", () => {
    const text = fc.string({ unit: fc.constantFrom("{", "}", "$", "&", "output_1", "instruction", "余", "\n", "\\") })
    fc.assert(
      fc.property(text, text, text, (instruction, output_1, output_2) => {
        const [message] = filledTemplate(plain, { instruction, output_1, output_2 })
        expect(message!.content).toBe(`I: ${instruction}\nm: ${output_1}\nM: ${output_2}`)
      }),
    )
  })

  test("of our own has all places, and names both answers", () => {
    const text = filledTemplate(DEFAULT_TEMPLATE, { instruction: "<I>", output_1: "<1>", output_2: "<2>" })
      .map(({ content }) => content)
      .join("\n")
    expect(text).toMatch(/<I>[\s\S]*named m:\s+<1>[\s\S]*named M:\s+<2>[\s\S]*m or M\.$/)
  })
})

describe("a question", () => {
  const pair = { instruction: "Say hello.", baseline: "Hello.", model: "Hi" }
  const ask = (more: Partial<typeof pair> = {}, judge = "judge-1") => judgeQuestion(judge, plain, { ...pair, ...more })

  test("asks for the likeliest tokens of one, and shows the model's answer where its order says", async () => {
    const { body, isSwapped } = await ask()
    const [first, second] = isSwapped ? ["Hi", "Hello."] : ["Hello.", "Hi"]
    expect(body).toEqual({
      model: "judge-1",
      messages: [{ role: "user", content: `I: Say hello.\nm: ${first}\nM: ${second}` }],
      ...{ max_tokens: 1, temperature: 1, logprobs: true, top_logprobs: 5 },
    })
    expect(JUDGE_PARAMETERS.top_logprobs).toBe(5)
  })

  test("is named by judge, parameters and the whole prompt", async () => {
    const keys = await Promise.all([
      ask(),
      ask({}, "judge-2"),
      ask({ instruction: "Say hello!" }),
      ask({ baseline: "Hello" }),
      ask({ model: "Hi." }),
      judgeQuestion("judge-1", DEFAULT_TEMPLATE, pair),
    ])
    expect(new Set(keys.map(({ key }) => key)).size).toBe(6)
    expect((await ask()).key).toBe(keys[0]!.key)
    expect(keys[0]!.key).toMatch(/^[0-9a-f]{64}$/)
  })

  test("shows the model's answer first for half of the instructions, the same for every model", async () => {
    const instructions = Array.from({ length: 400 }, (_, index) => `Instruction ${index}.`)
    const orders = await Promise.all(instructions.map(async (instruction) => (await ask({ instruction })).isSwapped))
    const others = await Promise.all(
      instructions.map(async (instruction) => (await ask({ instruction, model: "Good day" })).isSwapped),
    )
    expect(others).toEqual(orders)
    const swapped = orders.filter(Boolean).length
    expect(swapped).toBeGreaterThan(160)
    expect(swapped).toBeLessThan(240)
  })
})
