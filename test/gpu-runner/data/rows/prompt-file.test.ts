// Prompts as JSON Lines: every fault is told with its line and its mend.
import { afterAll, expect, test } from "vitest"
import { readPromptFile } from "#gpu-runner/data/rows/prompt-file.ts"
import { createWorkspace } from "#test/gpu-runner/support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const read = (...lines: readonly string[]) => readPromptFile(workspace.write("prompts.jsonl", `${lines.join("\n")}\n`))

test("text and messages are read as they stand, with their ids and lines", () => {
  const { prompts } = read(
    '{"id": "a", "prompt": "Tea?", "category": "drinks"}',
    "",
    '{"id": 7, "prompt": [{"role": "user", "content": "茶？"}]}',
  )
  expect(prompts).toEqual([
    { id: "a", line: 1, prompt: "Tea?" },
    { id: 7, line: 3, prompt: [{ role: "user", content: "茶？" }] },
  ])
})

test.each([
  [['{"id": "a", "prompt": "x"}', '{"id": "b", "prompt"'], ":2: the line is not JSON"],
  [['{"id": "a", "prompt": "x"}', '{"id": "a", "prompt": "y"}'], ':2: id "a" is that of line 1 too'],
  [['{"id": "1", "prompt": "x"}', '{"id": 1, "prompt": "y"}'], ":2: id 1 is that of line 1 too"],
  [['{"prompt": "x"}'], ':1: "id" is missing'],
  [['{"id": "", "prompt": "x"}'], ':1: "id" is no text'],
  [['{"id": 1.5, "prompt": "x"}'], ':1: "id" is no text'],
  [['{"id": "a"}'], ":1: prompt is missing"],
  [['{"id": "a", "prompt": ""}'], ":1: prompt is empty"],
  [['{"id": "a", "prompt": []}'], ":1: prompt is empty"],
  [['{"id": "a", "prompt": 3}'], ":1: prompt must be text or a list of messages"],
  [['{"id": "a", "prompt": [{"role": "human", "content": "x"}]}'], ':1: prompt.0.role is "human"'],
  [['{"id": "a", "id": "b", "prompt": "x"}'], ':1: "id" is there twice'],
  [[""], ": holds no prompts"],
])("%j is refused: %s", (lines, fault) => {
  expect(() => read(...lines)).toThrow(fault)
})

test("a file that is missing is refused", () => {
  expect(() => readPromptFile(workspace.at("none.jsonl"))).toThrow(/there is no such file/)
})
