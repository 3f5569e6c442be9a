// A model folder as one GGUF file for llama.cpp, with or without an adapter folded in: tensor after tensor, so that neither model nor
// file is ever held. The file appears whole or not at all.
import { statfsSync } from "node:fs"
import path from "node:path"
import { type GgufMetadata, layoutGguf, paddingAfter } from "#shared/formats/gguf/container.ts"
import { ggufModelKeys } from "#shared/formats/gguf/model-keys.ts"
import {
  encodeGgufTensor,
  GGUF_WEIGHTS,
  type GgufWeights,
  ggufModelTensors,
} from "#shared/formats/gguf/model-tensors.ts"
import { ggufArchitecture } from "#shared/formats/gguf/names.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
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
  const { config } = model
  const { weights, adapter, onWritten = () => undefined } = options
  const keys = ggufModelKeys(config)
  const vocabulary = ggufVocabulary(readTokenizerFiles(model.directory, config.vocabularySize), config.eosTokenIds)
  const metadata: GgufMetadata = [
    ["general.architecture", { type: "string", value: ggufArchitecture(config) }],
    ["general.type", { type: "string", value: "model" }],
    ["general.name", { type: "string", value: options.name }],
    ["general.file_type", { type: "uint32", value: GGUF_WEIGHTS[weights] }],
    ["general.quantization_version", { type: "uint32", value: QUANTISATION_VERSION }],
    ...keys.metadata,
    ...vocabulary.metadata,
  ]
  const { ropeFactors } = keys
  const factors = ropeFactors && {
    ...{ name: "rope_freqs.weight", dimensions: [ropeFactors.length], dtype: "F32" as const },
    data: new Uint8Array(ropeFactors.buffer),
  }
  const tensors = ggufModelTensors(config, weights)
  const { head, tensorBytes, fileBytes } = layoutGguf(metadata, factors ? [...tensors, factors] : tensors)
  checkSpace(path.dirname(path.resolve(file)), fileBytes)
  const output = createByteFile(file)
  let digest: string
  try {
    output.write(head)
    let written = head.length
    for (const [index, tensor] of tensors.entries()) {
      const stored = model.tensors.get(tensor.source)!
      const pieces = encodeGgufTensor(tensor, config, (dtype) =>
        adapter ? mergedTensor(stored, adapter, dtype) : stored,
      )
      for (const piece of pieces) {
        output.write(piece)
        written += piece.length
        onWritten(written, fileBytes)
      }
      written += pad(output, tensorBytes[index]!)
    }
    if (factors) {
      output.write(factors.data)
      pad(output, factors.data.length)
    }
    digest = output.finish()
  } catch (error) {
    output.discard()
    throw error
  }
  return { digest, bytes: fileBytes, differences: [...keys.differences, ...vocabulary.differences] }
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
