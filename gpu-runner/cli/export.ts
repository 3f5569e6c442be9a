// `yohaku export`: a model for other runtimes, with an adapter folded in if one is given. Needs no GPU.
import { mkdirSync } from "node:fs"
import path from "node:path"
import { sha256, writeFileAtomically } from "#gpu-runner/data/files.ts"
import { mergeAdapter } from "#gpu-runner/data/merge-adapter.ts"
import { copyCompanionFiles, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model-folder.ts"
import { decoderTensorShapes } from "#shared/formats/decoder-config.ts"
import { exportLlamaOnnx } from "#shared/formats/onnx.ts"
import { writeSafetensors } from "#shared/formats/safetensors.ts"
import { defineCommand, UsageError } from "./command.ts"

export const exportModel = defineCommand({
  name: "export",
  summary: "Writes a model for other runtimes.",
  details:
    "onnx    OUT/model.onnx: input_ids and response_start in, token log-probs of the response out; f32, for the scorer\n" +
    "merged  a Hugging Face model folder with the adapter folded into the weights (adapted weights in f32)",
  options: {
    model: { type: "string", placeholder: "DIR", description: "a Hugging Face model folder", required: true },
    adapter: { type: "string", placeholder: "DIR", description: "a PEFT adapter to fold in" },
    format: { type: "string", placeholder: "NAME", description: "onnx or merged", required: true },
    out: { type: "string", placeholder: "DIR", description: "where to write", required: true },
  },
  run: async ({ model: directory, adapter: adapterDir, format, out }, terminal) => {
    if (format !== "onnx" && format !== "merged") {
      throw new UsageError(`--format ${format} is unknown; use onnx or merged`)
    }
    if (format === "merged" && path.resolve(directory) === path.resolve(out)) {
      throw new UsageError("--out is the model's own folder, whose weights would be overwritten; choose another")
    }
    const model = await readModelFolder(directory)
    const tensors =
      adapterDir === undefined
        ? model.tensors
        : mergeAdapter(model.tensors, readAdapterFolder(adapterDir, model.config).adapter)
    const [name, bytes] =
      format === "onnx"
        ? (["model.onnx", exportLlamaOnnx({ config: model.config, tensors })] as const)
        : ([
            "model.safetensors",
            writeSafetensors(
              [...decoderTensorShapes(model.config).keys()].map((weight) => tensors.get(weight)!),
              { format: "pt" },
            ),
          ] as const)
    mkdirSync(out, { recursive: true })
    if (format === "merged") copyCompanionFiles(directory, out)
    const file = path.join(out, name)
    writeFileAtomically(file, bytes)
    const digest = sha256(bytes)
    terminal.print(
      terminal.isJson
        ? JSON.stringify({ file, bytes: bytes.byteLength, sha256: digest })
        : `${file}: ${bytes.byteLength} bytes, sha256 ${digest}`,
    )
  },
})
