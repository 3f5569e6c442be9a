// Suites of prompts: what a line may say, and every fault with its line and its mend.
import { expect, test } from "vitest"
import { readSuite } from "#shared/judgement/sources/prompt-suite.ts"

const read = (...lines: readonly string[]) => readSuite(new TextEncoder().encode(lines.join("\n")))

test("prompts with their groups and the answers of which people preferred one", () => {
  expect(
    read(
      '{"id": "a", "prompt": "Tea?", "metadata": {"setting": "support", "cups": 2, "note": ""}, "source": "ours"}',
      " \t",
      '{"id": 7, "prompt": [{"role": "user", "content": "茶？"}], "chosen": "はい", "rejected": [{"role": "assistant", "content": "いいえ"}]}',
    ),
  ).toEqual([
    { id: "a", line: 1, prompt: "Tea?", groups: { setting: "support" }, stated: undefined },
    {
      ...{ id: 7, line: 3, prompt: [{ role: "user", content: "茶？" }], groups: {} },
      stated: { chosen: "はい", rejected: [{ role: "assistant", content: "いいえ" }] },
    },
  ])
})

test.each([
  [[""], "it holds no prompts; give at least one line"],
  [['{"id": "a"'], "line 1 is not JSON; write one JSON object a line"],
  [["[]"], "line 1 is not a JSON object; write one object a line"],
  [['{"id": "a", "prompt": "x"}', '{"id": "b", "prompt": "x", "prompt": "y"}'], 'line 2 has "prompt" twice; keep one'],
  [
    ['{"id": "a", "prompt": "x"}', "", '{"id": "a", "prompt": "y"}'],
    'line 3: id "a" is that of line 1 too; give each prompt its own',
  ],
  [['{"id": "a", "prompt": "x", "chosen": "y"}'], "line 1: rejected is missing; give text or a list of messages"],
  [
    ['{"id": "a", "prompt": "x", "chosen": "y", "rejected": ""}'],
    "line 1: rejected is empty; give text or at least one message",
  ],
])("%j is refused: %s", (lines, fault) => {
  expect(() => read(...lines)).toThrow(new Error(fault).message)
})

test("bytes that are no UTF-8 are refused, not replaced", () => {
  const bytes = Uint8Array.of(...new TextEncoder().encode('{"id": "a", "prompt": "'), 0xff, 0x22, 0x7d)
  expect(() => readSuite(bytes)).toThrow("line 1 is not UTF-8; save the suite as UTF-8")
})
