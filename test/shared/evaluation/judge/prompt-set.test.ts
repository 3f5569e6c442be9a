// Prompts by name, and the answers that say only whose answer they are: of yohaku generate, and of Arena-Hard's two versions.
import { describe, expect, test } from "vitest"
import { UnusableJudgements } from "#shared/evaluation/evaluation-error.ts"
import { joinedAnswers, readAnswerFile } from "#shared/evaluation/judge/answer-file.ts"
import { readPromptSet } from "#shared/evaluation/judge/prompt-set.ts"

const bytes = (...lines: readonly object[]) =>
  new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
const user = (content: string) => ({ role: "user", content })
const prompts = readPromptSet(
  bytes(
    { id: "text", prompt: "Say hello." },
    { id: 7, prompt: [user("May I park here?")] },
    { uid: "v2", category: "hard_prompt", prompt: "Sort a list." },
    { question_id: "v1", turns: [{ content: "Sort a tree." }] },
    {
      id: "turns",
      prompt: [
        { role: "system", content: "Be brief." },
        user("Hi"),
        { role: "assistant", content: "Hello" },
        user("Bye"),
      ],
    },
  ),
)

describe("a set of prompts", () => {
  test("has each as it was asked, and as a judge is shown it", () => {
    expect([...prompts.keys()]).toEqual(["text", "7", "v2", "v1", "turns"])
    expect(prompts.get("text")).toEqual({ instruction: "Say hello.", asked: "Say hello." })
    expect(prompts.get("7")).toEqual({ instruction: "May I park here?", asked: [user("May I park here?")] })
    expect(prompts.get("v1")!.instruction).toBe("Sort a tree.")
    expect(prompts.get("turns")!.instruction).toBe("system: Be brief.\n\nuser: Hi\n\nassistant: Hello\n\nuser: Bye")
  })

  test.each<[object, RegExp]>([
    [{ prompt: "X" }, /^prompt 1 has no "id"/],
    [{ id: "", prompt: "X" }, /^prompt 1 has no "id"/],
    [{ id: 1.5, prompt: "X" }, /^prompt 1 has no "id"/],
    [{ id: "a" }, /^prompt 1 has no text and no messages to show/],
    [{ id: "a", prompt: "" }, /^prompt 1 has no text/],
    [{ id: "a", prompt: [] }, /^prompt 1 has no text/],
    [{ id: "a", prompt: [{ role: "user" }] }, /^prompt 1 has no text/],
    [{ id: "a", turns: [{ content: "1" }, { content: "2" }] }, /^prompt 1 has no text/],
  ])("%j is refused", (line, message) => {
    expect(() => readPromptSet(bytes(line))).toThrow(UnusableJudgements)
    expect(() => readPromptSet(bytes(line))).toThrow(message)
  })

  test("of nothing is refused", () => {
    expect(() => readPromptSet(bytes())).toThrow(/^holds no prompts/)
  })
})

describe("answers that name their prompt", () => {
  test.each<[string, object, string]>([
    ["yohaku generate", { id: 7, responses: [{ text: "Yes." }, { text: "No." }] }, "7"],
    [
      "Arena-Hard v2.0",
      { uid: "v2", model: "m", messages: [user("Sort a list."), { role: "assistant", content: { answer: "Yes." } }] },
      "v2",
    ],
    [
      "Arena-Hard v2.0, with the answer as a text",
      { uid: "v2", messages: [user("…"), { role: "assistant", content: "Yes." }] },
      "v2",
    ],
    [
      "Arena-Hard v0.1",
      { question_id: "v1", model_id: "m", choices: [{ index: 0, turns: [{ content: "Yes.", token_len: 2 }] }] },
      "v1",
    ],
  ])("of %s", (_, line, id) => {
    const { answers } = readAnswerFile(bytes(line), prompts)
    expect(answers).toEqual([{ ...prompts.get(id)!, output: "Yes.", id }])
  })

  test("say whose they are, and how many further ones there are", () => {
    expect(
      readAnswerFile(bytes({ question_id: "v1", model_id: "m", choices: [{ turns: [{ content: "a" }] }] }), prompts)
        .model,
    ).toBe("m")
    const several = { id: "text", responses: [{ text: "a" }, { text: "b" }, { text: "c" }] }
    expect(readAnswerFile(bytes(several), prompts).leftOut).toBe(2)
  })

  test.each<[object, RegExp]>([
    [{ id: "text", responses: [] }, /^answer 1 has no text "instruction" or no text "output"/],
    [{ id: "text", responses: [{ tokens: 3 }] }, /^answer 1 has no text/],
    [{ id: "text", messages: [user("only a question")] }, /^answer 1 has no text/],
    [{ responses: [{ text: "whose?" }] }, /^answer 1 has no text/],
    [{ id: "other", responses: [{ text: "a" }] }, /^answer 1 is to the prompt "other", which --prompts does not hold/],
  ])("%j are refused", (line, message) => {
    expect(() => readAnswerFile(bytes(line), prompts)).toThrow(message)
  })

  test("are joined with answers that name the instruction itself", () => {
    const own = readAnswerFile(bytes({ id: 7, responses: [{ text: "Yes." }] }), prompts)
    const baseline = readAnswerFile(bytes({ instruction: "May I park here?", output: "No." }))
    expect(joinedAnswers(baseline, own)).toEqual([
      { instruction: "May I park here?", baseline: "No.", model: "Yes.", id: "7", asked: [user("May I park here?")] },
    ])
  })
})
