import { readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, test } from "vitest"
import { readPromptFile } from "#gpu-runner/data/rows/prompt-file.ts"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { isToThePoint, readCheckedPrompts } from "#shared/evaluation/judge/work-settings.ts"

const root = path.resolve(import.meta.dirname, "../../..")
const file = path.join(root, "infra/demo/suite/work-settings.jsonl")
const prompts = readCheckedPrompts(readFileSync(file))

describe("the suite of work settings", () => {
  test("has fifteen prompts a setting and language, each its own", () => {
    const cells = Map.groupBy(prompts, ({ setting, lang }) => `${setting} ${lang}`)
    expect([...cells.values()].map(({ length }) => length)).toEqual([15, 15, 15, 15, 15, 15])
    expect(new Set(prompts.map(({ instruction }) => instruction)).size).toBe(90)
    const { prompts: generated } = readPromptFile(file)
    expect(generated.map(({ id }) => id)).toEqual(prompts.map(({ id }) => id))
  })

  test("is in the language that it says", () => {
    for (const { lang, instruction } of prompts) {
      expect(/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(instruction)).toBe(lang === "ja")
    }
  })

  test("holds no prompt of the demo's training data", () => {
    const traffic = readFileSync(path.join(root, "infra/demo/data/traffic.jsonl"), "utf8")
    const known = prompts.filter(({ instruction }) => traffic.includes(JSON.stringify(instruction).slice(1, -1)))
    expect(known).toEqual([])
  })

  test("tells an answer to the point from none, from one in other words, and from the prompt said again where a fact is asked", () => {
    for (const prompt of prompts) {
      expect(isToThePoint(prompt, prompt.mentions.map(([first]) => first).join(" "))).toBe(true)
      expect(isToThePoint(prompt, "")).toBe(false)
      expect(isToThePoint(prompt, "I am glad to help you with that.")).toBe(false)
    }
  })
})

test.each([
  [[["3"]], "It is 3 %.", true],
  [[["3"]], "It is 36 %.", false],
  [[["3"]], "3.5", false],
  [[["1.5"]], "Add 1.5 litres.", true],
  [[["41"]], "So 41.", true],
  [[["4,100"]], "合計4,100円です", true],
  [[["360"]], "３６０個です。", true],
  [[["no"]], "No, it is late.", true],
  [[["no"]], "casino", false],
  [[["approv"]], "It must be approved.", true],
  [[["a"], ["b"]], "a", false],
])("of %j the answer %j is to the point: %s", (mentions, answer, expected) => {
  expect(isToThePoint({ mentions }, answer)).toBe(expected)
})

test.each(['{"id":1,"prompt":"X"}', '{"id":1,"prompt":"X","setting":"s","lang":"en","mentions":[[]]}'])(
  "a prompt without its facts is refused: %s",
  (line) => {
    expect(() => readCheckedPrompts(new TextEncoder().encode(line))).toThrow(UnusableJudgements)
  },
)
