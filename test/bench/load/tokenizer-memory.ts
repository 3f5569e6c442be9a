// What a tokenizer takes of an isolate of the scorer: while it is loaded, and for as long as it is kept.
import { readFileSync } from "node:fs"
import path from "node:path"
import { type Isolate, openIsolate } from "./isolate.ts"
import { root } from "./running-system.ts"

export interface TokenizerMemory {
  readonly fileBytes: number
  readonly loadMs: number
  /** Of the isolate, code and all. */
  readonly peakBytes: number
  /** Of the tokenizer alone, once texts were encoded. */
  readonly keptBytes: number
  /** What the scorer counts for it. */
  readonly accountedBytes: number
  readonly tokens: number
  readonly encodeMs: number
}

interface Answer {
  readonly tokens?: number
  readonly accountedBytes?: number
  readonly refused?: string
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Of this project's documents: prose and code, cut where lines end. */
export const encodedTexts = (): string[] =>
  ["DESIGN.md", "docs/operate.md", "docs/performance.md"].flatMap((name) =>
    readFileSync(path.join(root, name), "utf8")
      .split("\n")
      .filter((line) => line !== ""),
  )

const filesOf = async (isolate: Isolate, tokenizer: Uint8Array) => {
  const config = JSON.parse(readFileSync(path.join(root, "infra/demo/model/config.json"), "utf8")) as object
  return {
    "config.json": await isolate.put(utf8(JSON.stringify({ ...config, vocab_size: 300_000 }))),
    "tokenizer_config.json": await isolate.put(utf8("{}")),
    "model.safetensors": "0".repeat(64),
    "tokenizer.json": await isolate.put(tokenizer),
  }
}

const asked = async (isolate: Isolate, body: object): Promise<Required<Pick<Answer, "tokens" | "accountedBytes">>> => {
  const { refused, tokens = 0, accountedBytes = 0 } = await isolate.ask<Answer>(body)
  if (refused !== undefined) throw new Error(refused)
  return { tokens, accountedBytes }
}

/** Loads it in a new isolate and encodes texts. Throws what the scorer refuses it with. */
export const tokenizerMemory = async (tokenizer: Uint8Array): Promise<TokenizerMemory> => {
  const isolate = await openIsolate("test/workers/scorer/tokenizer-worker.ts")
  try {
    const files = await filesOf(isolate, tokenizer)
    const baseBytes = await isolate.heldBytes()
    const startedMs = performance.now()
    let loadMs = 0
    const { value, peakBytes } = await isolate.peakWhile(async () => {
      const answer = await asked(isolate, { files, texts: [] })
      loadMs = performance.now() - startedMs
      return answer
    })
    const texts = encodedTexts()
    await asked(isolate, { files, texts })
    const encodedMs = performance.now()
    const { tokens } = await asked(isolate, { files, texts })
    const encodeMs = performance.now() - encodedMs
    const keptBytes = (await isolate.heldBytes()) - baseBytes
    return {
      fileBytes: tokenizer.length,
      ...{ loadMs, peakBytes, keptBytes, tokens, encodeMs },
      ...{ accountedBytes: value.accountedBytes },
    }
  } finally {
    await isolate.close()
  }
}
