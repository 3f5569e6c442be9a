// What large tokenizers take of an edge isolate, measured in workerd: node test/bench/tokenizer-memory.ts [--file tokenizer.json] [--json].
// Without a file, tokenizers of the size and layout of Llama 3, Qwen 3, Gemma 3 and XLM-R are made.
import { readFileSync } from "node:fs"
import { gemmaLike, llamaLike, qwenLike, unigramLike } from "#test/shared/tokenisation/large-tokenizers.ts"
import { type TokenizerMemory, tokenizerMemory } from "./load/tokenizer-memory.ts"
import { scriptOptions } from "./script-options.ts"

const given = scriptOptions({ file: { type: "string" }, json: { type: "boolean", default: false } })

const MADE: Readonly<Record<string, () => string>> = {
  "as Llama 3, 128,000 tokens, 280,147 merges": llamaLike,
  "as Qwen 3, 151,643 tokens, 151,387 merges": qwenLike,
  "as Gemma 3, 262,144 tokens, 480,000 merges": gemmaLike,
  "as XLM-R, Unigram of 250,000 tokens": unigramLike,
}

const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(1)

const line = (name: string, of: TokenizerMemory): string => {
  const sizes = [of.fileBytes, of.peakBytes, of.keptBytes, of.accountedBytes].map(megabytes)
  return `| ${[name, ...sizes, of.loadMs.toFixed(0), `${of.tokens} in ${of.encodeMs.toFixed(0)} ms`].join(" | ")} |`
}

const sources: readonly (readonly [string, () => Uint8Array])[] =
  given.file === undefined
    ? Object.entries(MADE).map(([name, make]) => [name, () => new TextEncoder().encode(make())] as const)
    : [[given.file, () => readFileSync(given.file!)]]

if (!given.json) {
  console.log("| tokenizer | file, MB | isolate's peak | tokenizer kept | accounted | loaded in ms | encodes tokens |")
  console.log("| --- | --- | --- | --- | --- | --- | --- |")
}
for (const [name, bytes] of sources) {
  const memory = await tokenizerMemory(bytes())
  console.log(given.json ? JSON.stringify({ name, ...memory }) : line(name, memory))
}
