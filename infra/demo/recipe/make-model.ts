// The demo's whole recipe, end to end: corpus, tokenizer, comparisons, random weights, pre-training with our own trainer,
// ONNX export; then seeds, commands and digests go into infra/demo/README.md. Run: node infra/demo/recipe/make-model.ts
// `--without-training` stops before pre-training and keeps the committed weights.
import { spawn } from "node:child_process"
import { copyFile, readFile, stat, writeFile } from "node:fs/promises"
import { parseArgs } from "node:util"
import { CORPUS_FILE, CORPUS_SEED } from "./corpus.ts"
import { INITIALISE_SEED, MODEL_DOCUMENTS, RANDOM_MODEL_FOLDER } from "./initialise.ts"
import { repositoryPath, sha256 } from "./outputs.ts"
import { DATA_FOLDER, PREFERENCES_SEED } from "./preferences.ts"
import { MODEL_FOLDER } from "./tokenizer.ts"

const PRETRAIN_CONFIG = "infra/demo/recipe/pretrain.json"
const TRAINED_FOLDER = ".yohaku/demo/pretrained"
const README = "infra/demo/README.md"
const RECORD_START = "<!-- record: written by make-model.ts -->"
const RECORD_END = "<!-- end of record -->"

const YOHAKU = ["node", "gpu-runner/cli/yohaku.mjs"]

const DATA_COMMANDS: readonly (readonly string[])[] = [
  ["node", "infra/demo/recipe/corpus.ts"],
  ["node", "infra/demo/recipe/tokenizer.ts"],
  ["node", "infra/demo/recipe/preferences.ts"],
  ["node", "infra/demo/recipe/initialise.ts"],
]
const TRAIN_COMMAND = [
  ...YOHAKU,
  ...["train", "--method", "sft", "--model", RANDOM_MODEL_FOLDER, "--data", CORPUS_FILE],
  ...["--config", PRETRAIN_CONFIG, "--out", TRAINED_FOLDER],
]
const EXPORT_COMMAND = [...YOHAKU, "export", "--model", MODEL_FOLDER, "--format", "onnx", "--out", MODEL_FOLDER]

/** Committed outputs in the order of the record. */
const OUTPUTS = [
  ...[...MODEL_DOCUMENTS, "model.safetensors", "model.onnx"].map((name) => `${MODEL_FOLDER}/${name}`),
  ...["traffic.jsonl", "truth.jsonl", "summary.json"].map((name) => `${DATA_FOLDER}/${name}`),
]

/** Runs a command in the repository's root with its output shown; rejects unless it ends with 0. */
function run(command: readonly string[]): Promise<void> {
  process.stdout.write(`$ ${command.join(" ")}\n`)
  const [program, ...parameters] = command as [string, ...string[]]
  return new Promise((resolve, reject) => {
    const executable = program === "node" ? process.execPath : program
    const child = spawn(executable, parameters, { cwd: repositoryPath("."), stdio: "inherit" })
    child.on("error", reject)
    child.on("exit", (code) => {
      if (code === 0) resolve()
      else reject(new Error(`"${command.join(" ")}" ended with ${code}; mend what it printed and run the recipe again`))
    })
  })
}

/** Markdown of what was made: seeds, commands, and size and digest of every committed output that exists. */
export async function recordText(): Promise<string> {
  const pretrain = JSON.parse(await readFile(repositoryPath(PRETRAIN_CONFIG), "utf8")) as { seed: number }
  const seeds = {
    corpus: CORPUS_SEED,
    initialise: INITIALISE_SEED,
    pretrain: pretrain.seed,
    preferences: PREFERENCES_SEED,
  }
  const rows: string[] = []
  for (const path of OUTPUTS) {
    const exists = await stat(repositoryPath(path)).then(
      () => true,
      () => false,
    )
    if (!exists) continue
    const content = await readFile(repositoryPath(path))
    rows.push(`- \`${path}\`: ${content.byteLength} bytes, sha256 \`${sha256(content)}\``)
  }
  // As who reads it types them: TypeScript needs the project's own Node.
  const commands = [...DATA_COMMANDS, TRAIN_COMMAND, EXPORT_COMMAND].map((command) =>
    command.join(" ").replace(/^node (?=\S+\.ts\b)/, "npx node "),
  )
  return [
    `Seeds: ${Object.entries(seeds)
      .map(([name, seed]) => `${name} ${seed}`)
      .join(", ")}.`,
    "",
    "```",
    ...commands,
    "```",
    "",
    ...rows,
  ].join("\n")
}

async function writeRecord(): Promise<void> {
  const text = await readFile(repositoryPath(README), "utf8")
  const start = text.indexOf(RECORD_START)
  const end = text.indexOf(RECORD_END)
  if (start < 0 || end < start)
    throw new Error(`${README} lacks the lines "${RECORD_START}" and "${RECORD_END}"; put them back`)
  const record = `${RECORD_START}\n\n${await recordText()}\n\n`
  await writeFile(repositoryPath(README), text.slice(0, start) + record + text.slice(end))
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { "without-training": { type: "boolean", default: false } } })
  for (const command of DATA_COMMANDS) await run(command)
  if (!values["without-training"]) {
    await run(TRAIN_COMMAND)
    await copyFile(
      repositoryPath(`${TRAINED_FOLDER}/model.safetensors`),
      repositoryPath(`${MODEL_FOLDER}/model.safetensors`),
    )
    await run(EXPORT_COMMAND)
  }
  await writeRecord()
}
