// `yohaku data check --held-out --model`: the leaks are those that a run of the same files warns of, in whatever form a prompt comes.
import { Result } from "effect"
import { afterAll, expect, test } from "vitest"
import { repeatedPromptWarnings } from "#gpu-runner/cli/train-warnings.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { heldOutLeaks } from "#gpu-runner/trainer/rows/held-out-leaks.ts"
import { canonicalPromptOfRows } from "#gpu-runner/trainer/rows/held-out-split.ts"
import { readRows } from "#gpu-runner/trainer/rows/read-rows.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { runYohaku, runYohakuJson } from "../../support/run-yohaku.ts"
import { createWorkspace, jsonLines, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const model = writeTinyModel(workspace)

const text = (prompt: string) => ({ prompt, chosen: " yes", rejected: " no" })
const chat = (prompt: string) => ({
  prompt: [{ role: "user", content: prompt }],
  chosen: [{ role: "assistant", content: "yes" }],
  rejected: [{ role: "assistant", content: "no" }],
})

const question = "why is the sky blue in the morning and red in the evening?"
const trainFile = workspace.write(
  "train.jsonl",
  jsonLines([text("caf\u00e9 at noon"), chat(question), { ...text("tea with milk"), rejected: " never" }]),
)
const heldOutFile = workspace.write(
  "held-out.jsonl",
  jsonLines([
    chat("caf\u00e9 at noon"),
    text("something else altogether"),
    text(" cafe\u0301  at\u00a0noon\n"),
    chat(question.replace("red", "rad")),
    text("tea with milk"),
  ]),
)

test("the leaks of two files are counted with their rows, by what the model reads", async () => {
  const { result } = await runYohakuJson("data", "check", trainFile, "--held-out", heldOutFile, "--model", model)
  expect(result.summary.heldOut).toEqual({
    ...{ pairs: 5, sharedPrompts: 3, nearPrompts: 1 },
    leaks: [
      { row: 1, trainRow: 1, prompt: "same" },
      { row: 3, trainRow: 1, prompt: "same" },
      { row: 4, trainRow: 2, prompt: "near" },
      { row: 5, trainRow: 3, prompt: "same" },
    ],
  })
})

test("the summary counts prompts in whatever form as one, and tells responses apart by the indentation of their first line", async () => {
  const said = (prompt: string, chosen: string, rejected: string) => ({ prompt, chosen, rejected })
  const noon = chat(" cafe\u0301  at\u00a0noon")
  const rows = [
    ...[text("caf\u00e9 at noon"), { ...noon, chosen: noon.rejected, rejected: noon.chosen }],
    ...[said("tea", "  steep()", "boil()"), said("tea", "boil()", "steep()")],
  ]
  const { result } = await runYohakuJson("data", "check", workspace.write("forms.jsonl", jsonLines(rows)))
  expect(result.summary).toMatchObject({ prompts: 2, contradictions: 2 })
})

test("they are the leaks of the rows that a run reads from the same files", async () => {
  const folder = await readModelFolder(model)
  const config = Result.getOrThrow(decodeTrainConfig({}))
  const read = async (file: string) => (await readRows(file, "pairs", folder, config)).rows
  const [train, heldOut] = [await read(trainFile), await read(heldOutFile)]
  const canonical = canonicalPromptOfRows(folder, config)
  const { result } = await runYohakuJson("data", "check", trainFile, "--held-out", heldOutFile, "--model", model)
  expect(heldOutLeaks(train, heldOut, canonical)).toEqual(
    result.summary.heldOut.leaks.map(({ row, trainRow, prompt }: { row: number; trainRow: number; prompt: string }) => {
      return { heldOut: row - 1, train: trainRow - 1, prompt }
    }),
  )
  expect(repeatedPromptWarnings(train, heldOut, canonical).map((warning) => warning.slice(0, 6))).toEqual([
    "3 of 5",
    "1 of 5",
  ])
})

test("a terminal shows the rows, and without a model says that near ones are not looked for", async () => {
  const { printed } = await runYohaku("data", "check", trainFile, "--held-out", heldOutFile, "--model", model)
  expect(printed).toContain(
    "held-out row 3: has the prompt of row 1\nheld-out row 4: nearly repeats the prompt of row 2",
  )
  expect(printed).toMatch(/held out +5 pairs, 3 with a prompt that is trained on too, 1 with one that nearly is/)
  const plain = await runYohaku("data", "check", trainFile, "--held-out", heldOutFile)
  expect(plain.printed).toMatch(/held out +5 pairs, 3 with .* too, near ones are found with --model/)
  const own = workspace.write("own.jsonl", jsonLines([text("quite another question")]))
  const clean = await runYohakuJson("data", "check", trainFile, "--held-out", own, "--model", model)
  expect(clean.result.summary.heldOut).toEqual({ pairs: 1, sharedPrompts: 0, nearPrompts: 0, leaks: [] })
})
