// What trainers' and servers' users reported of templates: each with the text that jinja2 gives under transformers' settings.
import { describe, expect, test } from "vitest"
import { parsePreferenceRecord } from "#shared/judgement/preference-rows.ts"
import { ChatTemplate } from "#shared/tokenisation/chat-template.ts"
import { parseRow, parseTools } from "#shared/tokenisation/exact-json.ts"
import type { Message } from "#shared/tokenisation/tokenisation.ts"

const QUESTION_AND_CODE: readonly Message[] = [
  { role: "user", content: "q" },
  { role: "assistant", content: "    return 1" },
]

function render(
  template: string,
  messages: readonly Message[] = QUESTION_AND_CODE,
  tools?: readonly unknown[],
): string {
  return new ChatTemplate(template, {}).render(messages, { addGenerationHeader: false, tools })
}

describe("strip, lstrip and rstrip", () => {
  test("take only the characters they are given: Qwen3's answers keep their indentation", () => {
    const template =
      "{% for m in messages %}{% if m.role == 'assistant' %}{{ '<a>' + m.content.lstrip('\\n') }}{% else %}{{ '<u>' + m.content }}{% endif %}{% endfor %}"
    expect(render(template)).toBe("<u>q<a>    return 1")
  })

  test.each([
    ["'xxaxbxx'.strip('x')", "axb"],
    ["'abcab'.rstrip('ab')", "abc"],
    ["' \\n a \\n'.strip('\\n')", " \n a "],
    ["' \\x1c\\x85a\\u3000'.strip()", "a"],
    ["'\\ufeffa'.strip()", "\ufeffa"],
    ["'a'.strip('')", "a"],
    ["' a '|trim", "a"],
    ["'xax'|trim('x')", "a"],
  ])("%s", (expression, text) => {
    expect(render(`{{ '[' ~ ${expression} ~ ']' }}`)).toBe(`[${text}]`)
  })
})

describe("continue and break", () => {
  test("keep what the round wrote before them", () => {
    const template = "{% for m in messages %}{{ m.content }}{% if loop.first %}{% continue %}{% endif %}!{% endfor %}"
    const messages = [
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
    ]
    expect(render(template, messages)).toBe("ab!")
    expect(render(template.replace("continue", "break"), messages)).toBe("a")
  })

  test("leave else to be run where no round came to its end", () => {
    expect(render("{% for x in [1, 2] %}{{ x }}{% continue %}{% else %}E{% endfor %}")).toBe("12E")
  })
})

describe("True, False and None", () => {
  test("are printed as Python prints them", () => {
    const template = "{% for k, v in tools[0].items() %}{{ k }}={{ v }};{% endfor %}"
    expect(render(template, QUESTION_AND_CODE, [{ on: true, off: null, n: 1 }])).toBe("on=True;off=None;n=1;")
  })

  test("join to text, where an undefined value is nothing", () => {
    expect(
      render("{{ none ~ 'x' }}|{{ none|string }}|{{ true ~ 1.0 }}|{{ missing ~ 'x' }}|{{ [none, missing] }}"),
    ).toBe("Nonex|None|True1.0|x|[None, Undefined]")
  })
})

describe("numbers in tool calls and tools", () => {
  const row = parseRow(
    '{"chosen":[{"role":"assistant","content":"","tool_calls":[{"function":{"name":"refund","arguments":' +
      '{"order":12345678901234567890,"rate":1.0,"eps":1e-07,"2":1E5,"1":-0.0}}}]}]}',
  ) as { readonly chosen: readonly Message[] }

  test("come out as Python's json reads and writes them, and keys in their order", () => {
    expect(render("{{ messages[0].tool_calls[0].function.arguments|tojson }}", row.chosen)).toBe(
      '{"order": 12345678901234567890, "rate": 1.0, "eps": 1e-07, "2": 100000.0, "1": -0.0}',
    )
  })

  test("survive the reading of a record", async () => {
    const { pairs } = await parsePreferenceRecord(
      '{"id":"t","prompt":[{"role":"user","content":"q"}],"rejected":[{"role":"assistant","content":"no"}],' +
        '"chosen":[{"role":"assistant","content":"","tool_calls":[{"type":"function","function":{"name":"refund",' +
        '"arguments":{"order":12345678901234567890,"rate":1.0,"eps":1e-07}}}]}]}',
    )
    const template = "{{ messages[0].tool_calls[0].function.arguments }}"
    expect(render(template, pairs[0]!.chosen as readonly Message[])).toBe(
      "{'order': 12345678901234567890, 'rate': 1.0, 'eps': 1e-07}",
    )
  })

  test("are ints and floats by how they were written", () => {
    const template =
      "{% for k, v in messages[0].tool_calls[0].function.arguments.items() %}{{ k }} {{ v is integer }} {{ v + 1 }};{% endfor %}"
    expect(render(template, row.chosen)).toBe(
      "order True 12345678901234567891;rate False 2.0;eps False 1.0000001;2 False 100001.0;1 False 1.0;",
    )
  })

  test("of tools that a table holds as text", () => {
    const tools = parseTools('[{"limit": 3.0, "most": 9007199254740993}]') as readonly unknown[]
    expect(render("{{ tools }}", [], tools)).toBe("[{'limit': 3.0, 'most': 9007199254740993}]")
  })
})

describe("white space at the edges of a template", () => {
  test("is kept at its beginning", () => {
    expect(render("\n{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}")).toBe(
      "\n<user>q<assistant>    return 1",
    )
    expect(render("  {{ 1 }}")).toBe("  1")
  })

  test("one line end at its end is dropped, of which every kind is one", () => {
    expect(render("a\r\nb\rc\n\n")).toBe("a\nb\nc\n")
  })
})
