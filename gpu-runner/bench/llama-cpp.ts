// llama.cpp on this machine's processor, as a peer of what generates here: the same weights in f16, the same prompts, greedy. By npm's
// node-llama-cpp, which need not be there. Nothing is built or downloaded, and no graphics driver is touched.
import { mkdtempSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { createByteFile } from "#gpu-runner/data/files.ts"
import type { GenerationRequest, PassReport } from "#gpu-runner/generation/sequence-batch.ts"
import type { DecoderSource } from "#gpu-runner/models/decoder-parameters.ts"
import { type GgufMetadata, layoutGguf, paddingAfter } from "#shared/formats/gguf/container.ts"
import { ggufModelKeys } from "#shared/formats/gguf/model-keys.ts"
import { encodeGgufTensor, GGUF_WEIGHTS, ggufModelTensors } from "#shared/formats/gguf/model-tensors.ts"
import { ggufArchitecture } from "#shared/formats/gguf/names.ts"

/** What is used of node-llama-cpp, whose own types are not always there. */
export interface NativeLlama {
  readonly loadModel: (options: { readonly modelPath: string }) => Promise<NativeModel>
  readonly dispose: () => Promise<void>
}

export interface NativeModel {
  readonly tokenize: (text: string, specialTokens: boolean) => number[]
  readonly detokenize: (tokens: readonly number[], specialTokens: boolean) => string
  readonly createContext: (options: object) => Promise<NativeContext>
  readonly dispose: () => Promise<void>
  readonly trainContextSize: number
  readonly fileInfo: { readonly metadata: unknown }
}

interface NativeContext {
  readonly getSequence: () => NativeSequence
  readonly dispose: () => Promise<void>
}

export interface NativeSequence {
  readonly clearHistory: () => Promise<void>
  readonly controlledEvaluate: (input: readonly unknown[]) => Promise<readonly (Evaluated | undefined)[]>
}

interface Evaluated {
  readonly next: { readonly token?: number | null; readonly probabilities: ReadonlyMap<number, number> }
}

const MODULE = "node-llama-cpp"

/** How to have llama.cpp, where it is asked for and cannot be had. */
export const LLAMA_CPP_MISSING = `${MODULE} is not installed for this machine (npm ci brings it)`

/** llama.cpp for this machine's processor; undefined where node-llama-cpp or its binary is missing. */
export async function openNativeLlama(maxThreads: number): Promise<NativeLlama | undefined> {
  try {
    const { getLlama } = (await import(MODULE)) as { getLlama: (options: object) => Promise<NativeLlama> }
    return await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads, logLevel: "error" })
  } catch {
    return undefined
  }
}

/** llama.cpp with a model loaded, for so many sequences at once. */
export interface LlamaPeer {
  /** Greedy text for all requests at once, as a generator's batch: one pass over the prompts, then steps. */
  readonly generate: (requests: readonly GenerationRequest[], onPass: (pass: GeneratedPass) => void) => Promise<void>
  readonly close: () => Promise<void>
}

/** A pass as it ends. */
export type GeneratedPass = Pick<PassReport, "kind" | "tokens">

const NEXT = { generateNext: { token: true, options: { temperature: 0 } } }

export interface LlamaPeerSizes {
  readonly batch: number
  readonly promptLength: number
  readonly responseLength: number
}

/** Writes the model into a folder of its own, which goes when it is loaded; undefined where llama.cpp cannot be had. */
export async function openLlamaPeer(source: DecoderSource, sizes: LlamaPeerSizes): Promise<LlamaPeer | undefined> {
  const threads = os.availableParallelism()
  const llama = await openNativeLlama(threads)
  if (!llama) return undefined
  const folder = mkdtempSync(path.join(os.tmpdir(), "yohaku-llama-"))
  const close = async () => {
    await llama.dispose()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const modelPath = path.join(folder, "model.gguf")
    writeModel(source, modelPath)
    const { batch, promptLength, responseLength } = sizes
    const model = await llama.loadModel({ modelPath })
    const context = await model.createContext({
      sequences: batch,
      contextSize: promptLength + responseLength,
      batchSize: batch * promptLength,
      threads,
    })
    // What is loaded stays in memory, and a signal that ends the process leaves no file behind; where an open file cannot go, it goes at the end.
    if (process.platform !== "win32") rmSync(folder, { recursive: true })
    const sequences = Array.from({ length: batch }, () => context.getSequence())
    const generate: LlamaPeer["generate"] = (requests, onPass) => generateWith(sequences, requests, onPass)
    return { generate, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What llama.cpp's vocabularies begin with here. */
export const BYTES = 256
const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`
/** llama.cpp's numbers for kinds of tokens. */
const [PLAIN_TOKEN, BYTE_TOKEN] = [1, 6]

/** Weights in f16, and a vocabulary of bytes and numbered words: ids are all that is asked for. */
function writeModel({ config, tensors }: DecoderSource, file: string): void {
  const ids = Array.from({ length: config.vocabularySize }, (_, id) => id)
  const metadata: GgufMetadata = [
    ["general.architecture", { type: "string", value: ggufArchitecture(config) }],
    ["general.file_type", { type: "uint32", value: GGUF_WEIGHTS.f16 }],
    ...ggufModelKeys(config).metadata,
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.tokens", { type: "strings", value: ids.map((id) => (id < BYTES ? byteToken(id) : `word${id}`)) }],
    ["tokenizer.ggml.scores", { type: "float32s", value: ids.map(() => 0) }],
    ["tokenizer.ggml.token_type", { type: "int32s", value: ids.map((id) => (id < BYTES ? BYTE_TOKEN : PLAIN_TOKEN)) }],
  ]
  const described = ggufModelTensors(config, "f16")
  const { head, tensorBytes } = layoutGguf(metadata, described)
  const output = createByteFile(file)
  try {
    output.write(head)
    for (const [index, tensor] of described.entries()) {
      for (const piece of encodeGgufTensor(tensor, config, () => tensors.get(tensor.source)!)) output.write(piece)
      output.write(paddingAfter(tensorBytes[index]!))
    }
    output.finish()
  } catch (error) {
    output.discard()
    throw error
  }
}

async function generateWith(
  sequences: readonly NativeSequence[],
  requests: readonly GenerationRequest[],
  onPass: (pass: GeneratedPass) => void,
): Promise<void> {
  const own = sequences.slice(0, requests.length)
  for (const sequence of own) await sequence.clearHistory()
  let inputs: readonly (readonly number[])[] = requests.map(({ promptIds }) => [...promptIds])
  const steps = Math.max(...requests.map(({ maxTokens }) => maxTokens))
  for (let step = 0; step < steps; step++) {
    const tokens = inputs.reduce((sum, ids) => sum + ids.length, 0)
    const evaluated = await Promise.all(
      own.map((sequence, index) => sequence.controlledEvaluate(askingForTheNext(inputs[index]!))),
    )
    onPass({ kind: step === 0 ? "prefill" : "step", tokens })
    inputs = evaluated.map((results) => [results.at(-1)!.next.token ?? 0])
  }
}

function askingForTheNext(ids: readonly number[]): unknown[] {
  return [...ids.slice(0, -1), [ids.at(-1)!, NEXT]]
}
