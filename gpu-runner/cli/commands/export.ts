// `yohaku export`: a model or an adapter for other runtimes. Needs no GPU.
import path from "node:path"
import { sha256, writeFileAtomically } from "#gpu-runner/data/files.ts"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { type WrittenGguf, writeGgufModel } from "#gpu-runner/data/model/gguf-model.ts"
import { mergeAdapter, mergedTensor } from "#gpu-runner/data/model/merge-adapter.ts"
import {
  copyCompanionFiles,
  type ModelFolder,
  readAdapterFolder,
  readModelFolder,
} from "#gpu-runner/data/model/model-folder.ts"
import { writeModelWeights } from "#gpu-runner/data/model/model-weights.ts"
import { encodeGgufAdapter } from "#shared/formats/gguf/adapter.ts"
import { GGUF_WEIGHTS, type GgufWeights } from "#shared/formats/gguf/model-tensors.ts"
import { exportOnnxGraph } from "#shared/formats/onnx/export-graph.ts"
import { GRAPH_FILE } from "#shared/formats/onnx/graph-file.ts"
import { GRAPH_WEIGHTS, type GraphWeights } from "#shared/formats/onnx/graph-weights.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { NEAR_NAMES } from "#shared/tokenisation/gguf/pre-tokeniser-name.ts"
import { defineCommand, UsageError } from "../command.ts"
import { isCardedFormat, writeExportedCard } from "../export-card.ts"
import { checkExportFolder, removeLeftOvers, removeStale } from "../export-folder.ts"
import { choiceOf, modelOption, outFolderOption, requiredText, text } from "../options.ts"
import { checkOutFolder } from "../out-folder.ts"
import { createProgress } from "../progress.ts"

/** SHA-256 by file name. */
type Files = Readonly<Record<string, string>>

interface Written {
  readonly files: Files
  /** What the other runtime does otherwise than is done here, each a sentence for people. */
  readonly differences?: readonly string[]
}

interface ExportInput {
  readonly model: ModelFolder
  readonly adapter: Adapter | undefined
  readonly out: string
  readonly dtype: "F32" | "F16"
  /** As it was said, one of the format's WEIGHTS. */
  readonly weights: string | undefined
  readonly pre: string | undefined
}

/** What --weights takes, by format; the first is the default. */
const WEIGHTS = {
  onnx: GRAPH_WEIGHTS,
  gguf: ["f16", ...Object.keys(GGUF_WEIGHTS).filter((kind) => kind !== "f16")] as readonly GgufWeights[],
} as const

const GGUF_FILE = "model.gguf"

const formats: Readonly<Record<string, (input: ExportInput) => Written>> = {
  onnx: ({ model: { config, tensors }, adapter, out, weights }) => {
    const merged = adapter ? mergeAdapter(tensors, adapter) : tensors
    return writeOne(out, GRAPH_FILE, exportOnnxGraph({ config, tensors: merged }, (weights ?? "f32") as GraphWeights))
  },
  merged: ({ model, adapter, out }) => {
    makeFolder(out)
    copyCompanionFiles(model.directory, out)
    return { files: writeModelWeights(model, out, (tensor) => (adapter ? mergedTensor(tensor, adapter) : tensor)) }
  },
  gguf: ({ model, adapter, out, weights, pre }) => {
    const { digest, differences } = writeWithProgress({
      ...{ model, adapter, out, pre },
      weights: (weights ?? "f16") as GgufWeights,
    })
    return { files: { [GGUF_FILE]: digest }, differences }
  },
  "gguf-adapter": ({ model, adapter, out, dtype }) => {
    if (!adapter) throw new UsageError("--format gguf-adapter needs --adapter")
    const name = path.basename(path.resolve(out))
    return writeOne(out, "adapter.gguf", encodeGgufAdapter(adapter, model.config, { dtype, name }))
  },
}

function writeOne(out: string, name: string, bytes: Uint8Array): Written {
  writeFileAtomically(path.join(out, name), bytes)
  return { files: { [name]: sha256(bytes) } }
}

function writeWithProgress({
  model,
  adapter,
  out,
  weights,
  pre,
}: Pick<ExportInput, "model" | "adapter" | "out" | "pre"> & { readonly weights: GgufWeights }): WrittenGguf {
  const progress = createProgress()
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`
  return writeGgufModel(model, path.join(out, GGUF_FILE), {
    ...{ adapter, weights, name: path.basename(model.name), nearPreTokeniser: pre },
    onWritten: (bytes, total) =>
      progress.show(`${GGUF_FILE}: ${gigabytes(bytes)} of ${gigabytes(total)}`, bytes === total),
  })
}

export const command = defineCommand({
  name: "export",
  summary: "Writes a model or an adapter for other runtimes.",
  details:
    "onnx          OUT/model.onnx: input_ids and response_start in, token log-probs of the response out, for the scorer\n" +
    "merged        a Hugging Face model folder with the adapter folded into the weights, in the base's dtype and shards\n" +
    "gguf          OUT/model.gguf: the model with tokenizer and chat template, for llama.cpp, with --adapter folded in; what\n" +
    "              llama.cpp cannot be told is refused, and what it does otherwise is said\n" +
    "gguf-adapter  OUT/adapter.gguf: the adapter alone, for llama.cpp (llama-server -m BASE.gguf --lora OUT/adapter.gguf)\n\n" +
    "merged, gguf and gguf-adapter write a README.md too, replace an earlier export of the same format, and refuse a folder that holds anything\n" +
    "else; a gguf-adapter may stand beside its own adapter.",
  options: {
    model: modelOption,
    adapter: text("DIR", "a PEFT adapter of this model"),
    format: requiredText("NAME", Object.keys(formats).join(", ")),
    dtype: text("NAME", "of gguf-adapter: f32 (default) or f16"),
    weights: text(
      "KIND",
      `how matrices are held: of onnx ${WEIGHTS.onnx.join(", ")} (f32); of gguf ${WEIGHTS.gguf.join(", ")} (f16)`,
    ),
    pre: text("NAME", `of gguf, where llama.cpp cuts no texts as this tokenizer does: ${NEAR_NAMES.join(", ")}`),
    out: outFolderOption,
  },
  run: async (values, terminal) => {
    const { model: directory, adapter: adapterDir, format, dtype: dtypeName, out } = values
    const write = Object.hasOwn(formats, format) ? formats[format] : undefined
    if (!write) throw new UsageError(`--format ${format} is unknown; use ${Object.keys(formats).join(", ")}`)
    const dtype = choiceOf("dtype", dtypeName, ["f32", "f16"], "f32 or f16") ?? "f32"
    if (dtypeName !== undefined && format !== "gguf-adapter") {
      throw new UsageError(`--dtype belongs to gguf-adapter, and ${format} would not read it; leave it out`)
    }
    const weights = weightsOf(format, values.weights)
    const pre = choiceOf("pre", values.pre, NEAR_NAMES, `one of ${NEAR_NAMES.join(", ")}`)
    if (pre !== undefined && format !== "gguf") {
      throw new UsageError(`--pre belongs to gguf, and ${format} would not read it; leave it out`)
    }
    checkOutFolder(out)
    const model = await readModelFolder(directory)
    const adapter = adapterDir === undefined ? undefined : readAdapterFolder(adapterDir, model).adapter
    const earlier = isCardedFormat(format) ? checkExportFolder({ model, adapterDir, format, out }) : []
    if (isCardedFormat(format)) removeLeftOvers(out)
    const { files, differences } = write({ model, adapter, out, dtype: dtype === "f32" ? "F32" : "F16", weights, pre })
    if (isCardedFormat(format)) {
      removeStale(earlier, { model, adapterDir, format, out }, files)
      writeExportedCard({ model, adapterDir, format, out, files, differences, command: terminal.commandLine })
    }
    for (const difference of differences ?? []) terminal.tell(`in llama.cpp: ${difference}`)
    terminal.answer({ out, files, ...(differences === undefined ? {} : { differences }) }, () =>
      Object.entries(files)
        .map(([name, digest]) => `${path.join(out, name)}: sha256 ${digest}`)
        .join("\n"),
    )
  },
})

/** What --weights says of a format, checked. */
function weightsOf(format: string, written: string | undefined): string | undefined {
  if (written === undefined) return undefined
  if (format !== "onnx" && format !== "gguf") {
    throw new UsageError(`--weights belongs to onnx and gguf, and ${format} would not read it; leave it out`)
  }
  return choiceOf("weights", written, WEIGHTS[format], `one of ${WEIGHTS[format].join(", ")}`)
}
