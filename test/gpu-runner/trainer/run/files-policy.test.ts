// Options of a run that decide how text becomes tokens reach the tokens.
import { Result } from "effect"
import { afterAll, expect, test } from "vitest"
import { readFilesRun } from "#gpu-runner/trainer/run/train-on-files.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { presets } from "#shared/methods/presets.ts"
import { ASSISTANT } from "#test/shared/tokenisation/byte-level-tokenizer.ts"
import { createWorkspace, jsonLines, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const modelDir = writeTinyModel(workspace)
workspace.write(
  "model/chat_template.jinja",
  "{{ mood }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
)

async function rowsOf(written: Readonly<Record<string, unknown>>) {
  const chat = (content: string) => [{ role: "assistant", content }]
  const record = {
    context: [{ role: "user", content: "q" }],
    response1: "a",
    response2: "b".repeat(40),
    overall_preference: -1,
  }
  const other = { prompt: [{ role: "user", content: "r" }], chosen: chat("a"), rejected: chat("b") }
  const config = Result.getOrThrow(decodeTrainConfig(written))
  const dataFile = workspace.write("data.jsonl", jsonLines([record, other]))
  const { model, train } = await readFilesRun({ modelDir, dataFile, config, outDir: workspace.at("out") })
  return { train, prompt: model.tokenisation.decode(train[0]!.promptIds) }
}

test("the header is prompt by default, and scored when the configuration says so, as the authors' presets do", async () => {
  expect((await rowsOf({})).train[0]!.promptIds.at(-1)).toBe(ASSISTANT)
  const { train } = await rowsOf({ responseIncludesHeader: true })
  expect([train[0]!.promptIds.at(-1), train[0]!.chosenIds[0]]).not.toContain(undefined)
  expect(train[0]!.promptIds.at(-1)).not.toBe(ASSISTANT)
  expect(train[0]!.chosenIds[0]).toBe(ASSISTANT)
  for (const preset of Object.values(presets)) expect(preset.responseIncludesHeader).toBe(true)
})

test("template variables, the overflow policy, the length and the strength reach the rows", async () => {
  expect((await rowsOf({ chatTemplateOptions: { mood: "glad" } })).prompt).toMatch(/^glad/)
  expect((await rowsOf({ strengthAsWeight: true })).train.map(({ weight }) => weight)).toEqual([1 / 3, 1])
  expect((await rowsOf({ maxLength: 12 })).train).toHaveLength(1)
  const cut = await rowsOf({ maxLength: 12, overflow: "truncate" })
  expect(cut.train[0]!.promptIds.length + cut.train[0]!.rejectedIds.length).toBe(12)
})

test("kto takes labelled rows and pairs from files, other methods pairs only", async () => {
  const records = [
    { prompt: "q", completion: "good", label: true },
    { id: "p", prompt: "r", chosen: "yes", rejected: "no" },
  ]
  const dataFile = workspace.write("mixed.jsonl", jsonLines(records))
  const run = (method: string) => {
    const config = Result.getOrThrow(decodeTrainConfig({ method }))
    return readFilesRun({ modelDir, dataFile, config, outDir: workspace.at("out") })
  }
  expect((await run("kto")).train.map(({ label, rejectedIds }) => [label, rejectedIds.length > 0])).toEqual([
    [true, false],
    [undefined, true],
  ])
  await expect(run("dpo")).rejects.toThrow(
    /mixed\.jsonl:1: label is of an unpaired row, which training with method kto alone reads; give pairs/,
  )
})
