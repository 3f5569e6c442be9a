// The recordings of test/golden as the engine takes them: model folder, rows, adapter, and what the oracle found.
import { readFileSync } from "node:fs"
import path from "node:path"
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { asFloat32, readSafetensors } from "#shared/formats/weights/safetensors.ts"

export const GOLDEN = path.join(import.meta.dirname, "..", "..", "golden")

/** Every recorded model, by its folder's name. */
export const RECORDED_MODELS = [
  "llama",
  "llama3-rope",
  "llama-linear-rope",
  "llama-tied",
  "mistral",
  "qwen2",
  "qwen3",
  "gemma2",
  "gemma3",
] as const
export type RecordedModel = (typeof RECORDED_MODELS)[number]

interface RecordedPair {
  readonly promptIds: readonly number[]
  readonly chosenIds: readonly number[]
  readonly rejectedIds: readonly number[]
}

export interface Recording {
  readonly model: ModelFolder
  readonly adapter: Adapter
  readonly rows: readonly TokenRow[]
  /** [R], f32-exact: the gradients are those of Σ upstream · log-prob. */
  readonly upstream: Float64Array
  /** [R], nats: row by row, chosen before rejected, of the weights alone and with the adapter. */
  readonly logProbs: Float64Array
  readonly loraLogProbs: Float64Array
  /** [R, V] of the weights alone. */
  readonly logits: Float32Array
  /** By Hugging Face name, and by PEFT name for the adapter's matrices. */
  readonly gradients: ReadonlyMap<string, Float32Array>
}

/** A recorded model with its expectations. */
export async function readRecording(name: RecordedModel): Promise<Recording> {
  const folder = path.join(GOLDEN, "models", name)
  const model = await readModelFolder(folder)
  const expected = readJson<{ pairs: RecordedPair[] } & Record<"upstream" | "logProbs" | "loraLogProbs", number[]>>(
    path.join(folder, "expected.json"),
  )
  const { tensors } = readSafetensors(new Uint8Array(readFileSync(path.join(folder, "expected.safetensors"))))
  const prefix = "gradient."
  const gradients = [...tensors]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, tensor]) => [key.slice(prefix.length), asFloat32(tensor)] as const)
  return {
    model,
    adapter: readAdapterFolder(path.join(folder, "adapter"), model).adapter,
    rows: tokenRows(expected.pairs),
    upstream: Float64Array.from(expected.upstream),
    logProbs: Float64Array.from(expected.logProbs),
    loraLogProbs: Float64Array.from(expected.loraLogProbs),
    logits: asFloat32(tensors.get("logits")!),
    gradients: new Map(gradients),
  }
}

export function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, "utf8")) as T
}

/** Pairs of token ids as rows without references. */
export function tokenRows(pairs: readonly RecordedPair[]): TokenRow[] {
  return pairs.map(({ promptIds, chosenIds, rejectedIds }, index) => ({
    id: `golden-${index}`,
    promptIds: Uint32Array.from(promptIds),
    chosenIds: Uint32Array.from(chosenIds),
    rejectedIds: Uint32Array.from(rejectedIds),
    weight: 1,
  }))
}

/** Prints what was measured, where YOHAKU_REPORT is set. */
export function report(title: string, measured: Record<string, number>): void {
  if (!process.env.YOHAKU_REPORT) return
  const numbers = Object.entries(measured).map(([name, value]) => `${name} ${value.toExponential(1)}`)
  console.info(`${title}: ${numbers.join(", ")}`)
}
