// Holds exported GGUF adapters against llama.cpp itself: it loads the golden bases and adapters, and must give the log-probs
// that were recorded with PEFT's adapters. Models whose base llama.cpp cannot express (windows of Mistral, Gemma 3's pattern
// of layers, scaled rotary positions) are left out: the base is measured first, and would fail.
//
// Needs node-llama-cpp, which brings llama.cpp for this machine and is no dependency of the repository:
//   npm install --prefix /tmp/llama-cpp --ignore-scripts node-llama-cpp@3.22.1
//   node test/golden/oracle/verify_with_llama_cpp.ts /tmp/llama-cpp/node_modules/node-llama-cpp/dist/index.js
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import type { DecoderConfig } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { encodeGgufAdapter } from "#shared/formats/gguf/adapter.ts"
import { type Adapter, readAdapter } from "#shared/formats/peft/adapter.ts"
import { baseGguf, queryFactor } from "./base_gguf.ts"

const MODELS = ["llama", "llama-tied", "qwen2", "qwen3", "gemma2"]
/** Nats per token. GELU is a table of 16-bit floats in llama.cpp; F16 rounds the adapter. */
const tolerance = (model: string, dtype: string) => (model === "gemma2" || dtype === "F16" ? 5e-3 : 1e-5)

interface Sequence {
  readonly clearHistory: () => Promise<void>
  readonly controlledEvaluate: (
    input: readonly unknown[],
  ) => Promise<readonly ({ next: { probabilities: Map<number, number> } } | undefined)[]>
}
interface LlamaModel {
  readonly createContext: (options: object) => Promise<{ getSequence: () => Sequence; dispose: () => Promise<void> }>
  readonly dispose: () => Promise<void>
}
interface NodeLlamaCpp {
  readonly getLlama: (options: object) => Promise<{ loadModel: (options: { modelPath: string }) => Promise<LlamaModel> }>
}
interface Recorded {
  readonly pairs: readonly { promptIds: number[]; chosenIds: number[]; rejectedIds: number[] }[]
  readonly logProbs: readonly number[]
  readonly loraLogProbs: readonly number[]
}

const NEXT = { generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } } }

/** Log-probs of every response token, each response alone behind its prompt. */
async function logProbs(model: LlamaModel, config: DecoderConfig, { pairs }: Recorded, adapter?: string) {
  const context = await model.createContext({
    contextSize: 64,
    batchSize: 64,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
    ...(adapter === undefined ? {} : { lora: { adapters: [{ filePath: adapter, scale: 1 }] } }),
  })
  const sequence = context.getSequence()
  const found: number[] = []
  for (const { promptIds, chosenIds, rejectedIds } of pairs) {
    for (const ids of [chosenIds, rejectedIds]) {
      await sequence.clearHistory()
      const input = [...promptIds, ...ids].slice(0, -1)
      const scored = promptIds.length - 1
      const results = await sequence.controlledEvaluate(input.map((id, at) => (at >= scored ? [id, NEXT] : id)))
      ids.forEach((id, index) => {
        const { probabilities } = results[scored + index]!.next
        let own = 0
        for (let other = 0; other < config.vocabularySize; other++) own += probabilities.get(other)!
        found.push(Math.log(probabilities.get(id)! / own))
      })
    }
  }
  await context.dispose()
  return found
}

/** The same adapter where the base's q rows carry a factor. */
function withQueryFactor({ settings, scaling, modules }: Adapter, factor: number): Adapter {
  const scaled = [...modules].map(([name, { a, b }]) => {
    return [name, { a, b: name.endsWith("q_proj") ? b.map((value) => factor * value) : b }] as const
  })
  return { settings, scaling, modules: new Map(scaled) }
}

function worst(found: readonly number[], expected: readonly number[]): number {
  return Math.max(...found.map((value, index) => Math.abs(value - expected[index]!)))
}

const library = (await import(path.resolve(process.argv[2] ?? "node_modules/node-llama-cpp/dist/index.js"))) as NodeLlamaCpp
const llama = await library.getLlama({ gpu: false, build: "never", maxThreads: 1, logLevel: "error" })
const workspace = mkdtempSync(path.join(tmpdir(), "yohaku-llama-cpp-"))
let isGood = true
for (const name of MODELS) {
  const folder = path.join(import.meta.dirname, "..", "models", name)
  const read = (...file: readonly string[]) => new Uint8Array(readFileSync(path.join(folder, ...file)))
  const config = parseDecoderConfig(new TextDecoder().decode(read("config.json")))
  const recorded = JSON.parse(new TextDecoder().decode(read("expected.json"))) as Recorded
  const stored = readAdapter(
    {
      "adapter_config.json": read("adapter", "adapter_config.json"),
      "adapter_model.safetensors": read("adapter", "adapter_model.safetensors"),
    },
    config,
  )
  const modelPath = path.join(workspace, `${name}.gguf`)
  writeFileSync(modelPath, await baseGguf(folder, config))
  const model = await llama.loadModel({ modelPath })
  const base = worst(await logProbs(model, config, recorded), recorded.logProbs)
  const moved = worst(recorded.logProbs, recorded.loraLogProbs)
  for (const dtype of ["F32", "F16"] as const) {
    const file = path.join(workspace, `${name}-${dtype}.gguf`)
    writeFileSync(file, encodeGgufAdapter(withQueryFactor(stored, queryFactor(config)), config, { dtype }))
    const adapted = worst(await logProbs(model, config, recorded, file), recorded.loraLogProbs)
    const verdict = Math.max(base, adapted) < tolerance(name, dtype) ? "agrees" : "DIFFERS"
    isGood &&= verdict === "agrees"
    console.log(
      `${name.padEnd(10)} ${dtype}: base ${base.toExponential(1)}, adapter ${adapted.toExponential(1)} nats, where it moves ${moved.toFixed(2)}: ${verdict}`,
    )
  }
  await model.dispose()
}
rmSync(workspace, { recursive: true })
process.exit(isGood ? 0 : 1)
