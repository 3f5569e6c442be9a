// The command line's contract: exit codes 0, 1 and 2, one clear line on stderr, details behind --verbose. None of these needs a GPU. Over 300 lines: a row a message.
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync, renameSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, test } from "vitest"
import { sha256 } from "#gpu-runner/data/files.ts"
import { TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { readSafetensors } from "#shared/formats/weights/safetensors.ts"
import { runYohaku } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace, jsonLines, tinyPairs, writeTinyModel } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const model = writeTinyModel(workspace)
const data = workspace.write("pairs.jsonl", jsonLines(tinyPairs(4)))
const out = workspace.at("out")

const trainWith = (...more: readonly string[]) =>
  runYohaku("train", "--model", model, "--data", data, "--out", out, ...more)

describe("bad usage is exit code 2", () => {
  test.each([
    [["frobnicate"], /^yohaku: unknown command "frobnicate"; known are doctor, score, train.* \(yohaku --help\)$/],
    [["train", "--modle", "x"], /Unknown option '--modle'/],
    [
      ["import", "pairs.jsonl", "--dataset", "d"],
      /^yohaku import: Unexpected argument 'pairs\.jsonl'; give it as --data pairs\.jsonl \(yohaku import --help\)$/,
    ],
    [["export", "model"], /^yohaku export: Unexpected argument 'model' \(/],
    [
      ["train", "--loraRank", "8"],
      /^yohaku train: Unknown option '--loraRank'; loraRank is a key of the JSON file of --config FILE: \{"loraRank": …\} \(/,
    ],
    [["sweep", "--learning-rate=1e-3"], /Unknown option '--learning-rate'; learningRate is a key of the JSON file/],
    [["score", "--loraRank", "8"], /^yohaku score: Unknown option '--loraRank' \(/],
    [["train", "--model", "x"], /--data is missing/],
    [
      ["score", "--model", "x", "--data", "y", "--out", "z", "--max-length", "ten"],
      /--max-length ten is no whole number/,
    ],
    [
      ["eval", "--model", "x", "--data", "y", "--base-weights", "fp4"],
      /--base-weights fp4 is unknown; use one of stored, f32, bf16, f16, int8, nf4/,
    ],
    [["eval", "--model", "x", "--data", "y", "--prompts", "p"], /--prompts and --judge go together/],
    [["eval", "--model", "x", "--data", "y", "--against", "a"], /--against and --max-tokens are of answers; give/],
    [
      ["eval", "--model", "x", "--data", "y", "--prompts", "p", "--judge", "j"],
      /the answers would be held against themselves; give --adapter/,
    ],
    [
      ["eval", "--model", "x", "--data", "y", "--prompts", "p", "--judge", "./j", "--adapter", "j"],
      /a model that judges its own answers likes them/,
    ],
    [
      ["train", "--model", "x", "--data", "y", "--out", "z", "--base-weights", "4bit"],
      /--base-weights 4bit is unknown; use one of stored, f32, bf16, f16, int8, nf4/,
    ],
    [
      ["export", "--model", "x", "--format", "ggml", "--out", "z"],
      /--format ggml is unknown; use onnx, merged, gguf, gguf-adapter/,
    ],
    [["train", "--model", "x", "--data", "y", "--out", "z", "--preset", "p"], /--preset p is unknown; use mistral/],
    [
      ["train", "--model", "x", "--data", "y", "--out", data],
      /--out \S+ cannot be a folder, since \S+pairs\.jsonl is a file; choose another name/,
    ],
    [
      ["sweep", "--model", "x", "--data", "y", "--held-out", "h", "--out", `${data}/sweep`],
      /--out \S+ cannot be a folder, since \S+pairs\.jsonl is a file; choose another name/,
    ],
    [["score", "--model", "x", "--data", "y", "--out", model], /--out \S+ is a folder; name a file/],
    [
      ["export", "--model", "x", "--format", "onnx", "--dtype", "f16", "--out", "z"],
      /--dtype belongs to gguf-adapter, and onnx would not read it/,
    ],
    [["bench"], /say which: yohaku bench matmul, yohaku bench attention, .*yohaku bench pair/],
    [
      ["bench", "matmul", "--layout", "anchor"],
      /--layout belongs to step, pair and generate, and matmul would not read it/,
    ],
    [["bench", "matmul", "--sizes", "64x64"], /--sizes 64x64 is no size; write ROWSxCOLUMNSxDEPTH/],
    [["bench", "head", "--weights", "fp8"], /--weights fp8 is unknown; use f32, bf16, f16, int8, nf4/],
    [["bench", "step", "--length", "1"], /--length 1 is no whole number of at least 2/],
    [["bench", "step", "--full", "--forward"], /--full trains and --forward does not; give one of them/],
    [["bench", "step", "--full", "--base-weights", "nf4"], /--full trains all weights in f32 and has no frozen base/],
    [
      ["bench", "step", "--heads", "3"],
      /a hidden size of 256 is no multiple of 3 heads; change one, or give --head-size/,
    ],
    [["bench", "step", "--head-size", "85"], /these sizes make no Llama: head_dim 85 is odd/],
    [
      ["bench", "generate", "--llama-cpp", "--vocabulary", "64"],
      /--llama-cpp needs more than 256 tokens; give a larger/,
    ],
    [["bench", "attention", "--kv-heads", "3"], /4 query heads are no multiple of 3 key-value heads; change --heads/],
    [["bench", "pair", "--head-size", "260"], /a head size of 260 is not supported, only multiples of 4 up to 256/],
    [["bench", "step", "--rank", "2000"], /--rank 2000 is above 1024, the highest/],
    [["bench", "head", "--precision", "f16"], /--precision f16 is unknown; use mixed or f32/],
    [["bench", "step", "--kernels", "fast"], /--kernels fast is unknown; use tuned, portable, gpu/],
  ])("%j", async (argv, message) => {
    const { code, told } = await runYohaku(...argv)
    expect(code).toBe(2)
    expect(told).toMatch(message)
    expect(told.split("\n")).toHaveLength(1)
  })

  test("an unknown configuration key", async () => {
    const config = workspace.write("typo.json", '{"learning_rate": 1e-4}')
    const { code, told } = await trainWith("--config", config)
    expect(code).toBe(2)
    expect(told).toBe(
      'yohaku train: the training configuration cannot be used: unknown key ["learning_rate"] (it is called learningRate here)',
    )
    expect(told.split("\n")).toHaveLength(1)
  })

  test("a β that belongs to the other reduction", async () => {
    const { code, told } = await trainWith("--method", "dpo", "--config", workspace.write("beta.json", '{"beta": 2.5}'))
    expect(code).toBe(2)
    expect(told).toMatch(/beta 2.5 does not belong to dpo/)
  })

  test("a quantised base where all weights are trained", async () => {
    const full = workspace.write("full.json", '{"loraRank": 0}')
    const { code, told } = await trainWith("--config", full, "--base-weights", "nf4")
    expect(code).toBe(2)
    expect(told).toMatch(/baseWeights nf4 holds a frozen base, and loraRank 0 trains all weights in f32; set loraRank/)
  })

  test("a configuration with a key twice", async () => {
    const { code, told } = await trainWith("--config", workspace.write("twice.json", '{"beta": 2.5, "beta": 3}'))
    expect(code).toBe(2)
    expect(told).toMatch(/holds "beta" twice/)
  })

  const place = "/proc/nope/out"
  test
    .runIf(process.platform === "linux")
    .each([
      [["train", "--model", "x", "--data", "y", "--out", place]],
      [["score", "--model", "x", "--data", "y", "--out", place]],
      [["export", "--model", "x", "--format", "onnx", "--out", place]],
      [["model", "pull", "owner/name", "--out", place]],
    ])("a place that takes no files is refused before anything is read or fetched: %j", async (argv) => {
    const { code, told } = await runYohaku(...argv)
    expect(code).toBe(2)
    expect(told).toContain("cannot be written: /proc takes no files (ENOENT); choose another place")
  })
})

describe("what fails is exit code 1 with one line", () => {
  const failing: readonly (readonly [string, () => Promise<{ code: number; told: string }>, RegExp])[] = [
    [
      "a model folder without tokenizer.json",
      () => {
        const broken = writeTinyModel(workspace, "no-tokenizer")
        rmSync(`${broken}/tokenizer.json`)
        return runYohaku("score", "--model", broken, "--data", data, "--out", out)
      },
      /no-tokenizer\/tokenizer\.json is missing; give a Hugging Face model folder/,
    ],
    [
      "a model folder whose weights are a pickle",
      () => {
        const pickled = writeTinyModel(workspace, "pickled")
        renameSync(`${pickled}/model.safetensors`, `${pickled}/pytorch_model.bin`)
        return runYohaku("score", "--model", pickled, "--data", data, "--out", out)
      },
      /model\.safetensors is missing.*; pytorch_model\.bin is a pickle, which is not read: save it again as safetensors/,
    ],
    [
      "a data file that is not there",
      () => runYohaku("score", "--model", model, "--data", "none.jsonl", "--out", out),
      /none\.jsonl: there is no such file/,
    ],
    [
      "broken UTF-8",
      () =>
        runYohaku(
          "train",
          "--model",
          model,
          "--out",
          out,
          "--data",
          workspace.write("bytes.jsonl", Uint8Array.of(0x7b, 0xc3, 0x28, 0x7d)),
        ),
      /bytes\.jsonl:1: the line is not UTF-8; save the file as UTF-8/,
    ],
    [
      "rows of a shape that nobody knows",
      () => trainWith("--data", workspace.write("shape.jsonl", '{"question":"q","good":"a","bad":"b"}')),
      /shape\.jsonl:1: question is an unknown field.*; name its columns \(--map prompt=…,chosen=…,rejected=…\), or call its fields prompt, chosen and rejected$/,
    ],
    [
      "responses without a preference, for a method on pairs",
      () => trainWith("--data", workspace.write("messages.jsonl", '{"messages":[]}')),
      /messages is an unknown field.*; it states one response: train with method sft, or give pairs$/,
    ],
    [
      "a reference of other data",
      () => trainWith("--reference", workspace.write("reference.jsonl", "")),
      /reference\.jsonl has no row "pair-0"; score this data file again/,
    ],
    [
      "an adapter folder without files",
      () => trainWith("--adapter", workspace.directory),
      /adapter_config\.json is missing; give a PEFT folder/,
    ],
  ]
  test.each(failing)("%s", async (_, attempt, message) => {
    const { code, told } = await attempt()
    expect(code).toBe(1)
    expect(told).toMatch(message)
    expect(told.split("\n")).toHaveLength(1)
  })

  test("nothing but empty and identical responses: each row is named, then the failure says what to do", async () => {
    const rows = [
      { id: "a", prompt: "p", chosen: "", rejected: "x" },
      { id: "b", prompt: "p", chosen: "x", rejected: "x" },
    ]
    const file = workspace.write("useless.jsonl", jsonLines(rows))
    const { code, told } = await runYohaku("score", "--model", model, "--data", file, "--out", out)
    expect(code).toBe(1)
    expect(told).toMatch(
      /useless\.jsonl:1: dropped \(empty\): chosen is an empty response; give its text or drop the row/,
    )
    expect(told).toMatch(/useless\.jsonl:2: dropped \(identical\): rejected is the same as chosen/)
    expect(told).toMatch(/holds no usable row: dropped 1 empty, 1 identical; mend the rows/)
  })

  test("--verbose adds the stack", async () => {
    const { code, told } = await runYohaku("score", "--model", "nowhere", "--data", data, "--out", out, "--verbose")
    expect(code).toBe(1)
    expect(told).toMatch(/nowhere is missing/)
    expect(told).toMatch(/at readModelFolder/)
  })
})

describe("exit code 0", () => {
  test("--help lists the commands, each a file; --help of each prints its options on stdout", async () => {
    const listed = [...(await runYohaku("--help")).printed.matchAll(/^ {2}(\w+) +\S/gm)].map(([, name]) => name!)
    const files = readdirSync(new URL("../../../gpu-runner/cli/commands", import.meta.url))
    expect(listed.map((name) => `${name}.ts`).sort()).toEqual(files.sort())
    for (const command of listed) {
      const { code, printed } = await runYohaku(command, "--help")
      expect((await runYohaku(command, "-h")).printed).toBe(printed)
      expect(code).toBe(0)
      expect(printed).toContain(`usage: yohaku ${command}`)
      expect(printed).toContain("--json")
    }
    expect((await runYohaku("--help")).printed).toContain("usage: yohaku <command>")
    expect((await runYohaku("--version")).printed).toMatch(/^yohaku \d+\.\d+\.\d+ \(node 24\S+, webgpu \d/)
  })

  test("train --help names every key of the configuration, and model --help what may be left out", async () => {
    const { printed } = await runYohaku("train", "--help")
    const named = new Set(printed.match(/\w+/g))
    expect(Object.keys(TrainConfigInput.fields).filter((key) => !named.has(key))).toEqual([])
    expect((await runYohaku("model", "--help")).printed).toContain("usage: yohaku model ACTION [REPOSITORY] [options]")
  })

  test("export --format onnx and merged write their files and say which", async () => {
    const onnx = await runYohaku(
      "export",
      "--model",
      model,
      "--format",
      "onnx",
      "--out",
      workspace.at("onnx"),
      "--json",
    )
    expect(onnx.code).toBe(0)
    const { out, files } = JSON.parse(onnx.printed)
    expect(files).toEqual({ "model.onnx": sha256(readFileSync(`${out}/model.onnx`)) })
    const merged = await runYohaku("export", "--model", model, "--format", "merged", "--out", workspace.at("merged"))
    expect(merged.code).toBe(0)
    const read = (folder: string) => readSafetensors(readFileSync(`${folder}/model.safetensors`)).tensors
    const original = read(model)
    for (const [name, tensor] of read(workspace.at("merged"))) expect(tensor.data).toEqual(original.get(name)!.data)
  })
})

test("the launcher passes arguments and exit code through", () => {
  const launcher = fileURLToPath(new URL("../../../gpu-runner/cli/yohaku.mjs", import.meta.url))
  const result = spawnSync(process.execPath, [launcher, "train", "--nonsense"], { encoding: "utf8" })
  expect(result.status).toBe(2)
  expect(result.stderr).toMatch(/^yohaku train: Unknown option '--nonsense'/)
  expect(result.stdout).toBe("")
})

test("a reader that closes the pipe early, as head does, is no failure", async () => {
  const launcher = fileURLToPath(new URL("../../../gpu-runner/cli/yohaku.mjs", import.meta.url))
  const child = spawn(process.execPath, [launcher, "train", "--help"], { stdio: ["ignore", "pipe", "pipe"] })
  child.stdout.destroy()
  const told: string[] = []
  child.stderr.on("data", (bytes: Buffer) => told.push(bytes.toString()))
  const [code] = await once(child, "close")
  expect({ code, told: told.join("") }).toEqual({ code: 0, told: "" })
})

test("without a Vulkan driver doctor fails with exit code 1 and says what to install", {
  skip: process.platform !== "linux",
}, () => {
  const launcher = fileURLToPath(new URL("../../../gpu-runner/cli/yohaku.mjs", import.meta.url))
  const env = { ...process.env, VK_DRIVER_FILES: "/nonexistent.json", VK_ICD_FILENAMES: "/nonexistent.json" }
  const result = spawnSync(process.execPath, [launcher, "doctor"], { encoding: "utf8", env })
  expect(result.status).toBe(1)
  // Dawn's loader prints warnings of its own first.
  expect(result.stderr.trim().split("\n").at(-1)).toMatch(
    /^yohaku doctor: No WebGPU adapter .*apt-get install mesa-vulkan-drivers/,
  )
})
