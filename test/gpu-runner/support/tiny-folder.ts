// A real model folder of a tiny Llama with a byte-level tokenizer, in a temporary directory, and preference files for it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { writeAdapter } from "#shared/formats/peft/adapter.ts"
import {
  asFloat32,
  encodeTensor,
  type FloatDtype,
  readSafetensors,
  type Tensor,
  writeSafetensors,
} from "#shared/formats/weights/safetensors.ts"
import { randomAdapter } from "#test/gpu/models/tiny.ts"
import { randomDecoder, SMALL_LLAMA_FIELDS } from "#test/reference/random-decoder.ts"
import { tokenizerConfigJson, tokenizerJson, VOCABULARY_SIZE } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

export const TINY_FIELDS = {
  hidden_size: 32,
  head_dim: 8,
  intermediate_size: 48,
  vocab_size: VOCABULARY_SIZE,
  bos_token_id: 0,
  eos_token_id: 1,
  tie_word_embeddings: true,
}

export interface Workspace {
  readonly directory: string
  /** A path inside it. */
  readonly at: (...names: readonly string[]) => string
  /** Writes a file inside it; returns its path. */
  readonly write: (name: string, content: string | Uint8Array) => string
  readonly remove: () => void
}

/** A temporary directory; remove it when done. */
export function createWorkspace(): Workspace {
  const directory = mkdtempSync(path.join(tmpdir(), "yohaku-test-"))
  const at = (...names: readonly string[]) => path.join(directory, ...names)
  return {
    directory,
    at,
    write: (name, content) => {
      mkdirSync(path.dirname(at(name)), { recursive: true })
      writeFileSync(at(name), content)
      return at(name)
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** Writes a model folder with seeded random weights; returns its path. A Llama, or what the fields of a config.json say. */
export function writeTinyModel(
  workspace: Workspace,
  name = "model",
  seed = 1,
  fields: Record<string, unknown> = { ...SMALL_LLAMA_FIELDS, ...TINY_FIELDS },
): string {
  const config = parseDecoderConfig(fields)
  const files = {
    "config.json": JSON.stringify(fields),
    "tokenizer.json": JSON.stringify(tokenizerJson()),
    "tokenizer_config.json": JSON.stringify(tokenizerConfigJson),
    "model.safetensors": writeSafetensors([...randomDecoder(config, seed).values()], { format: "pt" }),
  }
  for (const [file, content] of Object.entries(files)) workspace.write(`${name}/${file}`, content)
  return workspace.at(name)
}

/** The tensors of a folder's model.safetensors, by name. */
export function storedTensors(directory: string, file = "model.safetensors"): Map<string, Tensor> {
  return readSafetensors(readFileSync(path.join(directory, file))).tensors
}

/** Rewrites a tiny model's weights in another dtype. */
export function storeAs(directory: string, dtype: FloatDtype): void {
  const tensors = [...storedTensors(directory).values()].map((tensor) =>
    encodeTensor(tensor.name, tensor.shape, asFloat32(tensor), dtype),
  )
  writeFileSync(path.join(directory, "model.safetensors"), writeSafetensors(tensors, { format: "pt" }))
}

/** Splits a tiny model's weights into two shards with an index. */
export function shard(directory: string): void {
  const tensors = [...storedTensors(directory).values()]
  const parts = [tensors.slice(0, 7), tensors.slice(7)]
  const weightMap: Record<string, string> = {}
  parts.forEach((part, index) => {
    const name = `model-0000${index + 1}-of-00002.safetensors`
    writeFileSync(path.join(directory, name), writeSafetensors(part, { format: "pt" }))
    for (const tensor of part) weightMap[tensor.name] = name
  })
  const index = {
    metadata: { total_size: tensors.reduce((sum, { data }) => sum + data.length, 0) },
    weight_map: weightMap,
  }
  writeFileSync(path.join(directory, "model.safetensors.index.json"), JSON.stringify(index))
  rmSync(path.join(directory, "model.safetensors"))
}

/** Writes an adapter of random matrices for a tiny model; returns its path. */
export async function writeTinyAdapter(workspace: Workspace, modelDir: string, name = "adapter"): Promise<string> {
  const { config, weightsDigest } = await readModelFolder(modelDir)
  const { settings, modules } = randomAdapter(config, 3, 5)
  for (const [file, bytes] of Object.entries(writeAdapter(settings, modules, config, weightsDigest))) {
    workspace.write(`${name}/${file}`, bytes)
  }
  return workspace.at(name)
}

/** Pairs in which the chosen response is always calm and the rejected one always shouts. */
export function tinyPairs(count: number): { id: string; prompt: string; chosen: string; rejected: string }[] {
  const topics = ["pump", "valve", "order", "invoice", "line", "badge", "shift", "oven", "label", "belt", "gauge"]
  return Array.from({ length: count }, (_, i) => {
    const topic = topics[i % topics.length]!
    return {
      id: `pair-${i}`,
      prompt: `About ${topic} ${i}?`,
      chosen: ` please see ${topic}`,
      rejected: ` NO! ${topic.toUpperCase()}`,
    }
  })
}

/** One JSON object a line. */
export function jsonLines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("")
}
