// A model folder as one GGUF file for llama.cpp, with or without an adapter folded in: tensor after tensor, so that neither model nor
// file is ever held. The file appears whole or not at all.
import { statfsSync } from "node:fs"
import path from "node:path"
import { type GgufLayout, type GgufMetadata, layoutGguf, paddingAfter } from "#shared/formats/gguf/container.ts"
import { type GgufModelKeys, ggufModelKeys } from "#shared/formats/gguf/model-keys.ts"
import {
  encodeGgufTensor,
  GGUF_WEIGHTS,
  type GgufModelTensor,
  type GgufWeights,
  ggufModelTensors,
} from "#shared/formats/gguf/model-tensors.ts"
import { ggufArchitecture } from "#shared/formats/gguf/names.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import type { FloatDtype } from "#shared/formats/weights/safetensors.ts"
import { ggufVocabulary } from "#shared/tokenisation/gguf/vocabulary.ts"
import { NotEnoughSpace } from "../errors.ts"
import { type ByteFile, createByteFile } from "../files.ts"
import { makeFolder } from "../make-folder.ts"
import { mergedTensor } from "./merge-adapter.ts"
import type { ModelFolder } from "./model-folder.ts"
import { readTokenizerFiles } from "./tokenizer-folder.ts"

export interface GgufModelOptions {
  readonly weights: GgufWeights
  readonly adapter: Adapter | undefined
  /** general.name; for people. */
  readonly name: string
  /** A pre-tokenizer of llama.cpp's, for where it has none that cuts texts as this tokenizer does. */
  readonly nearPreTokeniser?: string | undefined
  readonly onWritten?: (bytes: number, total: number) => void
}

export interface WrittenGguf {
  /** SHA-256 of the file. */
  readonly digest: string
  readonly bytes: number
  /** What llama.cpp does otherwise than is done here, each a sentence for people. */
  readonly differences: readonly string[]
}

/** llama.cpp's number for the layout of quantised blocks. */
const QUANTISATION_VERSION = 2

/**
 * Writes a model for llama.cpp. Everything that can be refused without reading weights is refused before anything is written. Errors:
 * InvalidGguf, InvalidTokenizer, NotEnoughSpace.
 */
export function writeGgufModel(model: ModelFolder, file: string, options: GgufModelOptions): WrittenGguf {
  const keys = ggufModelKeys(model.config)
  const { metadata, differences } = describeModel(model, keys, options)
  const { ropeFactors } = keys
  const factors = ropeFactors && {
    ...{ name: "rope_freqs.weight", dimensions: [ropeFactors.length], dtype: "F32" as const },
    data: new Uint8Array(ropeFactors.buffer),
  }
  const tensors = ggufModelTensors(model.config, options.weights)
  const layout = layoutGguf(metadata, factors ? [...tensors, factors] : tensors)
  checkSpace(path.dirname(path.resolve(file)), layout.fileBytes)
  const output = createByteFile(file)
  try {
    output.write(layout.head)
    writeTensors(output, model, tensors, layout, options)
    if (factors) {
      output.write(factors.data)
      pad(output, factors.data.length)
    }
    return { digest: output.finish(), bytes: layout.fileBytes, differences }
  } catch (error) {
    output.discard()
    throw error
  }
}

function describeModel(
  { config, directory }: ModelFolder,
  keys: GgufModelKeys,
  { weights, name, nearPreTokeniser }: GgufModelOptions,
): { metadata: GgufMetadata; differences: readonly string[] } {
  const files = readTokenizerFiles(directory, config.vocabularySize)
  const vocabulary = ggufVocabulary(files, config.eosTokenIds, nearPreTokeniser)
  const metadata: GgufMetadata = [
    ["general.architecture", { type: "string", value: ggufArchitecture(config) }],
    ["general.type", { type: "string", value: "model" }],
    ["general.name", { type: "string", value: name }],
    ["general.file_type", { type: "uint32", value: GGUF_WEIGHTS[weights] }],
    ["general.quantization_version", { type: "uint32", value: QUANTISATION_VERSION }],
    ...keys.metadata,
    ...vocabulary.metadata,
  ]
  return { metadata, differences: [...keys.differences, ...vocabulary.differences] }
}

function writeTensors(
  output: ByteFile,
  model: ModelFolder,
  tensors: readonly GgufModelTensor[],
  { head, tensorBytes, fileBytes }: GgufLayout,
  { adapter, onWritten = () => undefined }: GgufModelOptions,
): void {
  let written = head.length
  for (const [index, tensor] of tensors.entries()) {
    const stored = model.tensors.get(tensor.source)!
    const ofDtype = (dtype: FloatDtype) => (adapter ? mergedTensor(stored, adapter, dtype) : stored)
    for (const piece of encodeGgufTensor(tensor, model.config, ofDtype)) {
      output.write(piece)
      written += piece.length
      onWritten(written, fileBytes)
    }
    written += pad(output, tensorBytes[index]!)
  }
  onWritten(fileBytes, fileBytes)
}

function pad(output: ByteFile, bytes: number): number {
  const padding = paddingAfter(bytes)
  output.write(padding)
  return padding.length
}

function checkSpace(folder: string, neededBytes: number): void {
  makeFolder(folder)
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize < neededBytes) throw new NotEnoughSpace(folder, neededBytes, bavail * bsize, "written")
}
