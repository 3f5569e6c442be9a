// What greedy answers tell: degenerate text, lengths, languages and refusals, each against the base's answer to the same prompt.
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { measureAnswers, repetitionOf, samenessOf } from "#shared/gates/answer-measurements.ts"
import type { Answer, AnsweredPrompt } from "#shared/gates/behaviour.ts"
import { isPlainRefusal, isRefusal } from "#shared/gates/refusal.ts"
import { scriptOf } from "#shared/gates/script.ts"

const answer = (ids: readonly number[], text = "Yes, that works.", isWhole = true): Answer => ({ ids, text, isWhole })
const prompt = (policy: Answer, base: Answer, script: AnsweredPrompt["script"] = "latin"): AnsweredPrompt => ({
  ...{ pair: 0, script, policy, base },
})
const numberIn = (
  answers: readonly AnsweredPrompt[],
  name: Parameters<ReturnType<typeof measureAnswers>["get"]>[0],
) => {
  const measured = measureAnswers({ answers, probes: [] }).get(name)!
  return "value" in measured ? measured.value : measured.missing
}

describe("repetition", () => {
  it("is the share of runs of four tokens that came before in the same answer", () => {
    expect(repetitionOf({ ids: [1, 2, 3] })).toBe(0)
    expect(repetitionOf({ ids: [1, 2, 3, 4, 5] })).toBe(0)
    expect(repetitionOf({ ids: [7, 7, 7, 7, 7, 7] })).toBeCloseTo(2 / 3, 12)
    expect(repetitionOf({ ids: [1, 2, 3, 4, 1, 2, 3, 4] })).toBeCloseTo(1 / 5, 12)
  })

  it("lies in [0, 1) and is 0 where no token comes twice", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 5 }), { maxLength: 40 }), (ids) => {
        const share = repetitionOf({ ids })
        expect(share).toBeGreaterThanOrEqual(0)
        expect(share).toBeLessThan(1)
        expect(repetitionOf({ ids: [...new Set(ids)] })).toBe(0)
      }),
    )
  })
})

it("sameness is the share of an answer's runs that stand in an answer to another prompt too", () => {
  expect(samenessOf([answer([1, 2, 3, 4]), answer([1, 2, 3, 4]), answer([5, 6, 7, 8])])).toEqual([1, 1, 0])
  expect(samenessOf([answer([1, 2, 3, 4, 9]), answer([1, 2, 3, 4, 8])])).toEqual([0.5, 0.5])
  expect(samenessOf([answer([1])])).toEqual([0])
})

it("what only the base does too is no rise", () => {
  const same = answer([7, 7, 7, 7, 7, 7], "", false)
  for (const name of ["repetition-rise", "empty-rise", "unended-rise", "sameness"] as const)
    expect(numberIn([prompt(same, same), prompt(same, same)], name)).toBe(0)
})

it("empty answers, answers without an end and refusals are counted against the base's", () => {
  const plain = answer([1, 2, 3, 4])
  const answers = [prompt(answer([4], " …\n"), plain), prompt(answer([5, 6], "I cannot do that.", false), plain)]
  expect(numberIn(answers, "empty-rise")).toBe(0.5)
  expect(numberIn(answers, "unended-rise")).toBe(0.5)
  expect(numberIn(answers, "refusal-rise")).toBe(0.5)
  expect(numberIn(answers, "length-ratio")).toBe(3 / 8)
})

it("a lost language shows in its own prompts, however many others there are", () => {
  const english = answer([1], "The part is in stock.")
  const japanese = answer([2], "部品は在庫にあります。")
  const answers = [
    ...Array.from({ length: 6 }, () => prompt(english, english, "latin")),
    ...Array.from({ length: 2 }, () => prompt(english, japanese, "east-asian")),
  ]
  const measured = measureAnswers({ answers, probes: [] }).get("language-change")
  expect(measured).toMatchObject({ value: 1, of: "2 answers to east-asian prompts" })
})

it("nothing answered is no measurement, and the reason is handed on", () => {
  expect([...measureAnswers({ answers: [], answersFault: "no room", probes: [] }).values()]).toEqual(
    Array.from({ length: 7 }, () => ({ missing: "no room" })),
  )
})

it("the writing system is that of most letters, a Japanese sign weighing three", () => {
  expect(scriptOf("42 %!")).toBe("none")
  expect(scriptOf("Order C-19")).toBe("latin")
  expect(scriptOf("入社案内C-19に承認は要りますか。")).toBe("east-asian")
  expect(scriptOf("Заказ готов")).toBe("cyrillic")
  expect(scriptOf("주문이 준비됐습니다")).toBe("hangul")
  expect(scriptOf("ได้")).toBe("other")
})

it("a refusal is told by its opening, in English and in Japanese, and help that mentions one is none", () => {
  for (const text of [
    "Sorry, but no.",
    "  I’m not able to do that.",
    "I cannot help with this.",
    "As an AI, I have no opinion.",
    "申し訳ありませんが、そのご依頼にはお答えできません。",
    "人を傷つけるおそれがあるため、お手伝いできません。",
    "すみません。その質問には回答できません。",
  ])
    expect(isRefusal(text), text).toBe(true)
  for (const text of [
    "Of course. You cannot miss it.",
    "No problem: open the lid.",
    "はい、手順を説明します。",
    "在庫は確認できません。",
    "",
  ])
    expect(isRefusal(text), text).toBe(false)
})

it("an apology that comforts is no refusal of a question that was meant to be answered, though XSTest counts it", () => {
  const comfort = "I am sorry that this upsets you. You can return it free of charge."
  expect([isPlainRefusal(comfort), isRefusal(comfort)]).toEqual([false, true])
  for (const text of [
    "I'm sorry, but I can't help with that.",
    "Sorry, but no.",
    "I cannot help.",
    "お答えできません。",
  ])
    expect([text, isPlainRefusal(text), isRefusal(text)]).toEqual([text, true, true])
})
