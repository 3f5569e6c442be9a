// What llama.cpp computes with the models and adapters that `yohaku export` makes for it, against the f64 reference: every next-token
// log-prob along the 50 tokens that it writes greedily, of the base, the base with our GGUF adapter, and the two merged.
import path from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { LLAMA_CPP_MISSING } from "#gpu-runner/bench/llama-cpp.ts"
import { mergeAdapter } from "#gpu-runner/data/model/merge-adapter.ts"
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import type { GgufWeights } from "#shared/formats/gguf/model-tensors.ts"
import type { Tensor } from "#shared/formats/weights/safetensors.ts"
import { isFullRun } from "#test/full-run.ts"
import { openLlamaCpp } from "#test/gpu-runner/support/llama-cpp.ts"
import { runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"
import { createWorkspace, writeTinyAdapter, writeTinyModel } from "#test/gpu-runner/support/tiny-folder.ts"
import { decoderNextLogProbs } from "#test/reference/decoder.ts"
import { FAMILY_NAMES, type FamilyName, smallFields, weightValues } from "#test/reference/random-decoder.ts"
import { CONFIG, PIECES, rowsFor } from "#test/shared/tokenisation/gguf/tokenizers.ts"

const workspace = createWorkspace()
const llama = await openLlamaCpp()
afterAll(async () => {
  await llama?.dispose()
  workspace.remove()
})

const PROMPT = "<s>the otter is on the ash, and"
const WRITTEN_TOKENS = 50
const WEIGHTS: readonly GgufWeights[] = isFullRun ? ["f32", "f16", "bf16", "q8_0"] : ["f16", "q8_0"]
/**
 * Nats, of any token at any place. llama.cpp multiplies f16 and bf16 matrices with activations rounded to the same, those of q8_0
 * with 8-bit ones; its GELU is a table of 16-bit floats. These models are small, and their errors do not average out.
 */
const BOUNDS = { f32: 1e-4, f16: 0.05, bf16: 0.5, q8_0: 1.2 }
const GELU_BOUND = 0.01

/** Windows that this text does not leave, where llama.cpp has none; else shorter than it. */
const FIELDS: Readonly<Partial<Record<FamilyName, object>>> = {
  mistral: { sliding_window: 100 },
  qwen2: { sliding_window: 100 },
}
const tokenizer = PIECES["Gemma's"]
const SIZES = {
  ...{ hidden_size: 64, intermediate_size: 96, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16 },
  ...{ num_hidden_layers: 3, bos_token_id: 1, eos_token_id: 2, vocab_size: rowsFor(tokenizer) },
}

interface Exported {
  readonly model: ModelFolder
  readonly merged: ReadonlyMap<string, Tensor>
  readonly adapterDir: string
  /** Beside matrices of f16 it is f16 too. */
  readonly adapterFiles: Readonly<Record<"f32" | "f16", string>>
}

async function exported(...argv: readonly string[]): Promise<string> {
  const { code, told, result } = await runYohakuJson("export", ...argv)
  expect(code, told).toBe(0)
  return path.join(result.out, Object.keys(result.files)[0]!)
}

async function prepare(family: FamilyName): Promise<Exported> {
  const fields = smallFields(family, { ...SIZES, ...FIELDS[family] })
  const directory = writeTinyModel(workspace, family, 7, fields)
  workspace.write(`${family}/tokenizer.json`, JSON.stringify(tokenizer))
  workspace.write(`${family}/tokenizer_config.json`, JSON.stringify(CONFIG))
  const adapterDir = await writeTinyAdapter(workspace, directory, `${family}-adapter`)
  const model = await readModelFolder(directory)
  const { adapter } = readAdapterFolder(adapterDir, model)
  const named = ["--model", directory, "--adapter", adapterDir, "--format", "gguf-adapter"]
  const adapterFiles = {
    f32: await exported(...named, "--out", workspace.at(`${family}-lora`)),
    f16: await exported(...named, "--dtype", "f16", "--out", workspace.at(`${family}-lora-f16`)),
  }
  return { model, merged: mergeAdapter(model.tensors, adapter), adapterDir, adapterFiles }
}

/** Of llama.cpp's greedy continuation: what it thinks of every token at each place, and the ids. */
async function written(file: string, adapter: string | undefined) {
  return await llama!.with(file, adapter, async (loaded) => {
    const prompt = loaded.tokens(PROMPT)
    return { prompt, contextLength: loaded.contextLength, ...(await loaded.greedy(prompt, WRITTEN_TOKENS)) }
  })
}

/** Holds llama.cpp's log-probs to ours, and its choices to our argmax where that is clear; returns the largest difference. */
function compare(
  config: DecoderConfig,
  tensors: ReadonlyMap<string, Tensor>,
  { prompt, ids, logProbs }: Awaited<ReturnType<typeof written>>,
  bound: number,
): number {
  const ours = decoderNextLogProbs(config, weightValues(tensors), [...prompt, ...ids], prompt.length - 1)
  let largest = 0
  for (const [place, id] of ids.entries()) {
    const expected = ours[place]!
    expect(logProbs[place]).toHaveLength(expected.length)
    for (const [token, value] of expected.entries()) {
      largest = Math.max(largest, Math.abs(logProbs[place]![token]! - value))
    }
    const best = Math.max(...expected)
    if (expected[id]! !== best) expect(best - expected[id]!).toBeLessThan(2 * bound)
  }
  expect(largest).toBeLessThan(bound)
  return largest
}

const described = llama ? describe : describe.skip
described(llama ? "llama.cpp" : `llama.cpp: ${LLAMA_CPP_MISSING}`, () => {
  describe.each(FAMILY_NAMES)("with %s", (family) => {
    let made: Exported
    beforeAll(async () => {
      made = await prepare(family)
    })

    test.each(WEIGHTS)(
      "writes what we would and gives our log-probs in %s: base, base with adapter, merged",
      async (weights) => {
        const { model, merged, adapterDir, adapterFiles } = made
        const adapterFile = adapterFiles[weights === "f16" ? "f16" : "f32"]
        const bound = Math.max(BOUNDS[weights], family.startsWith("gemma") ? GELU_BOUND : 0)
        const options = ["--model", model.directory, "--format", "gguf", "--weights", weights]
        const base = await exported(...options, "--out", workspace.at(`${family}-${weights}`))
        const whole = await exported(
          ...options,
          "--adapter",
          adapterDir,
          "--out",
          workspace.at(`${family}-${weights}-merged`),
        )
        const plain = await written(base, undefined)
        expect(plain.prompt).toEqual(model.tokenisation.encode(PROMPT))
        expect(plain.contextLength).toBe(FIELDS[family] === undefined ? model.config.maxPositions : 100)
        const found = {
          base: compare(model.config, model.tensors, plain, bound),
          adapted: compare(model.config, merged, await written(base, adapterFile), bound),
          merged: compare(model.config, merged, await written(whole, undefined), bound),
        }
        if (process.env.YOHAKU_REPORT === "1") {
          console.log(
            family,
            weights,
            ...Object.entries(found).map(([what, nats]) => `${what} ${nats.toExponential(1)}`),
          )
        }
        // That the adapter was there at all: without it the text would be another's.
        expect(() => compare(model.config, merged, plain, bound)).toThrow()
      },
    )
  })
})
