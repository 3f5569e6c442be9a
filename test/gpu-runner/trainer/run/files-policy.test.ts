// Options of a run that decide how text becomes tokens reach the tokens.
import { Result } from "effect"
import { afterAll, expect, test } from "vitest"
import { differencesOf, runIdentityOf } from "#gpu-runner/trainer/run/run-digest.ts"
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

const LONG = { prompt: "p".repeat(200), chosen: "a", rejected: "b" }

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

test("a written length above the model's limit is refused, the default's own is lowered, and what is then too long is counted", async () => {
  const dataFile = workspace.write("long.jsonl", jsonLines([LONG, { prompt: "q", chosen: "a", rejected: "b" }]))
  const run = (written: Readonly<Record<string, unknown>>) => {
    const config = Result.getOrThrow(decodeTrainConfig(written))
    return readFilesRun({ modelDir, dataFile, config, writtenConfig: written, outDir: workspace.at("out") })
  }
  const refusal =
    /maxLength \d+ is above the model's limit of 128 tokens \(max_position_embeddings\); lower it, or leave it out/
  for (const maxLength of [129, 2048, 4096]) await expect(run({ maxLength })).rejects.toThrow(refusal)
  expect((await run({})).dropped).toEqual({ "over-length": 1 })
  expect((await run({ maxLength: 128 })).train).toHaveLength(1)
  const unwritten = { modelDir, dataFile, outDir: workspace.at("out") }
  const config = Result.getOrThrow(decodeTrainConfig({ maxLength: 129 }))
  await expect(readFilesRun({ ...unwritten, config })).rejects.toThrow(refusal)
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

test("a run without the held-out file of the first differs from it in that alone, and one of other data in the data alone", async () => {
  const rows = [{ prompt: "p", chosen: "a", rejected: "b" }]
  const config = Result.getOrThrow(decodeTrainConfig({}))
  const factsOf = async (dataFile: string, heldOutFile?: string) => {
    const inputs = await readFilesRun({ modelDir, dataFile, heldOutFile, config, outDir: workspace.at("out") })
    return runIdentityOf(config, inputs, undefined, { keepsRowGradients: false }).facts
  }
  const data = workspace.write("first.jsonl", jsonLines(rows))
  const others = workspace.write("others.jsonl", jsonLines([...rows, { prompt: "q", chosen: "a", rejected: "b" }]))
  const first = await factsOf(data, others)
  expect(differencesOf(first, await factsOf(data))).toEqual(["--held-out, which the first run had, is missing"])
  expect(differencesOf(first, await factsOf(data, data))).toEqual(["--held-out has another content"])
  expect(differencesOf(first, await factsOf(others, others))).toEqual(["--data has another content"])
  expect(differencesOf(first, await factsOf(data, others))).toEqual([])
})
