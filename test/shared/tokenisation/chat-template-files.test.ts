// The four places of a chat template, their precedence, and the choice among several.
import { describe, expect, test } from "vitest"
import { findChatTemplates } from "#shared/tokenisation/chat-template-files.ts"
import { InvalidTokenizer, Tokenisation } from "#shared/tokenisation/tokenisation.ts"
import { tokenizerConfigJson, tokenizerJson } from "./byte-level-tokenizer.ts"

const find = (files: Partial<Parameters<typeof findChatTemplates>[0]>) =>
  findChatTemplates({ tokenizerConfig: {}, ...files })
const inConfig = { tokenizerConfig: { chat_template: "config" } }
const inJson = { chatTemplateJson: JSON.stringify({ chat_template: "json" }) }
const inFolder = { additionalChatTemplates: { default: "folder", tool_use: "tools" } }

describe("a chat template", () => {
  test("is found in each of its places, a file of its own before the config before chat_template.json", () => {
    expect(find({}).main).toBeUndefined()
    expect(find(inJson).main).toBe("json")
    expect(find({ ...inJson, ...inConfig }).main).toBe("config")
    expect(find({ ...inJson, ...inConfig, ...inFolder }).main).toBe("folder")
    expect(find({ ...inJson, ...inConfig, ...inFolder, chatTemplate: "jinja" })).toEqual({
      main: "jinja",
      toolUse: "tools",
    })
  })

  test("is the one named default of several, or the only one", () => {
    const list = (...names: readonly string[]) => ({
      tokenizerConfig: { chat_template: names.map((name) => ({ name, template: `t-${name}` })) },
    })
    expect(find(list("tool_use", "default"))).toEqual({ main: "t-default", toolUse: "t-tool_use" })
    expect(find(list("rag")).main).toBe("t-rag")
    expect(() => find(list("rag", "tool_use"))).toThrow(InvalidTokenizer)
    expect(() => find(list("rag", "tool_use"))).toThrow("rag, tool_use")
  })

  test("is refused where it is neither text nor a list of names and templates", () => {
    for (const chat_template of [7, {}, [{ name: "x" }], ["text"]]) {
      expect(() => find({ tokenizerConfig: { chat_template } })).toThrow(InvalidTokenizer)
    }
    expect(() => find({ chatTemplateJson: "{" })).toThrow("chat_template.json is not JSON")
  })
})

test("a conversation with tools goes through the template for tools, which sees them; one without does not", () => {
  const tokenisation = Tokenisation.fromFiles({
    tokenizerJson: tokenizerJson(),
    tokenizerConfigJson,
    additionalChatTemplates: {
      tool_use:
        "{{ tools[0].name }}|{% for m in messages %}{{ m.content }}{{ m.tool_calls[0].name if m.tool_calls }}|{% endfor %}",
      default: "{% for m in messages %}{{ m.content }}|{% endfor %}",
    },
  })
  const prompt = [{ role: "user", content: "q" }]
  const call = [{ role: "assistant", content: "", tool_calls: [{ name: "clock" }] }]
  const answer = [{ role: "assistant", content: "No." }]
  const texts = (tools?: readonly unknown[]) => {
    const result = tokenisation.tokenisePair({ prompt, chosen: call, rejected: answer, tools }, { maxLength: 100 })
    return result._tag === "Dropped"
      ? result
      : [result.promptIds, result.chosenIds].map((ids) => tokenisation.decode(ids))
  }
  expect(texts([{ name: "clock" }])).toEqual(["clock|q|", "clock|</s>"])
  expect(texts()).toEqual(["q|", "|</s>"])
})
