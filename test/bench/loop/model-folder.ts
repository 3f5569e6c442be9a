// A model folder of a published layout: its config.json, random BF16 weights in shards, and a byte-level tokenizer of 49,152 entries.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs"
import path from "node:path"
import { randomModel } from "#gpu-runner/bench/random-model.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { layoutSafetensors } from "#shared/formats/weights/safetensors.ts"
import { BOS, EOS, tokenizerConfigJson, tokenizerJson } from "#test/shared/tokenisation/byte-level-tokenizer.ts"

const SPECIAL_AND_BYTES = 4 + 256
const TOKENIZER_ENTRIES = 49_152
const SHARDS = 2
const LETTERS = "abcdefghijklmnopqrstuvwxyz"

/** Merges of two letters, then of three, then the same after a space, then of words with a capital, until there are so many entries. */
function merges(count: number): string[] {
  const [letters, capitals] = [[...LETTERS], [...LETTERS.toUpperCase()]]
  const ofTwo = (first: readonly string[]) => first.flatMap((a) => letters.map((b) => `${a} ${b}`))
  const longer = (shorter: readonly string[]) =>
    shorter.flatMap((merge) => letters.map((letter) => `${merge.replace(" ", "")} ${letter}`))
  const [pairs, capitalPairs] = [ofTwo(letters), ofTwo(capitals)]
  const words = [...pairs, ...longer(pairs)]
  const spaced = words.map((merge) => `Ġ ${merge.replace(" ", "")}`)
  return [...words, ...spaced, ...capitalPairs, ...longer(capitalPairs)].slice(0, count)
}

/** Writes the folder; `fields` are those of config.json. Returns how many parameters the model has. */
export function writeModelFolder(directory: string, fields: Readonly<Record<string, unknown>>): number {
  mkdirSync(directory, { recursive: true })
  const own = { ...fields, bos_token_id: BOS, eos_token_id: EOS }
  const config = parseDecoderConfig(own)
  const write = (name: string, content: object) => writeFileSync(path.join(directory, name), JSON.stringify(content))
  write("config.json", own)
  write("tokenizer.json", tokenizerJson({ merges: merges(TOKENIZER_ENTRIES - SPECIAL_AND_BYTES) }))
  write("tokenizer_config.json", tokenizerConfigJson)
  const tensors = [...randomModel(config).tensors.values()]
  const weightMap: Record<string, string> = {}
  for (let shard = 0; shard < SHARDS; shard++) {
    const name = `model-0000${shard + 1}-of-0000${SHARDS}.safetensors`
    const { head, order } = layoutSafetensors(tensors.filter((_, index) => index % SHARDS === shard))
    const descriptor = openSync(path.join(directory, name), "w")
    writeSync(descriptor, head)
    for (const tensor of order) {
      writeSync(descriptor, tensor.data)
      weightMap[tensor.name] = name
    }
    closeSync(descriptor)
  }
  write("model.safetensors.index.json", { weight_map: weightMap })
  return [...decoderTensorShapes(config).values()].reduce(
    (sum, shape) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  )
}
