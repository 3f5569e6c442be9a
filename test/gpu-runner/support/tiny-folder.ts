// A real model folder of a tiny Llama with a byte-level tokenizer, in a temporary directory, and preference files for it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { writeSafetensors } from "#shared/formats/safetensors.ts"
import { randomDecoder, SMALL_LLAMA_FIELDS, smallLlamaConfig } from "#test/reference/random-decoder.ts"
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

/** Writes a model folder with seeded random weights; returns its path. */
export function writeTinyModel(workspace: Workspace, name = "model", seed = 1): string {
  const config = smallLlamaConfig(TINY_FIELDS)
  const files = {
    "config.json": JSON.stringify({ ...SMALL_LLAMA_FIELDS, ...TINY_FIELDS }),
    "tokenizer.json": JSON.stringify(tokenizerJson()),
    "tokenizer_config.json": JSON.stringify(tokenizerConfigJson),
    "model.safetensors": writeSafetensors([...randomDecoder(config, seed).values()], { format: "pt" }),
  }
  for (const [file, content] of Object.entries(files)) workspace.write(`${name}/${file}`, content)
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
