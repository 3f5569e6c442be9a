// What a finished run leaves in its folder: the adapter (or, after a full fine-tune, a whole model folder) and the report.
import { sha256 } from "#gpu-runner/data/files.ts"
import { copyCompanionFiles, type ModelFolder } from "#gpu-runner/data/model-folder.ts"
import type { RunFolder } from "#gpu-runner/data/run-folder.ts"
import type { ParameterBank } from "#gpu-runner/models/parameter-bank.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { decoderTensorShapes } from "#shared/formats/decoder-config.ts"
import { type Adapter, type AdapterModule, adapterTensorName, writeAdapter } from "#shared/formats/peft.ts"
import { tensorOf, writeSafetensors } from "#shared/formats/safetensors.ts"
import type { PairAccuracy } from "#shared/preference/accuracy.ts"
import type { Evaluation } from "./evaluate.ts"
import type { ReferenceSource } from "./prepare-run.ts"
import type { SelfTestResult } from "./self-test.ts"
import type { StepMetrics } from "./step-metrics.ts"

/** report.json. */
export interface TrainReport {
  readonly method: TrainConfig["method"]
  readonly config: TrainConfig
  /** γ = β · γ/β; null for methods without a margin. */
  readonly gamma: number | null
  readonly steps: number
  /** Steps whose loss and gradient were finite. */
  readonly updates: number
  readonly skippedSteps: number
  /** Step of the checkpoint that the run went on from; 0 for an uninterrupted one. */
  readonly resumedFromStep: number
  readonly durationSeconds: number
  readonly tokens: number
  readonly tokensPerSecond: number
  readonly pairs: {
    readonly train: number
    readonly heldOut: number
    readonly dropped: Readonly<Record<string, number>>
  }
  readonly reference: { readonly source: ReferenceSource; readonly digest: string | null }
  readonly selfTest: SelfTestResult | null
  readonly model: { readonly fingerprint: string; readonly weights: string }
  readonly loss: { readonly first: number | null; readonly last: number | null }
  readonly lastMetrics: StepMetrics | null
  /** Held-out pairs before and after training; null without a held-out split. */
  readonly heldOut: { readonly before: PairAccuracy; readonly after: Evaluation } | null
  readonly adapter: string
  /** SHA-256 of every artefact by file name. */
  readonly files: Readonly<Record<string, string>>
}

/** Writes the trained parameters; returns the artefacts' digests by file name. */
export async function writeArtefacts(
  folder: RunFolder,
  model: ModelFolder,
  bank: ParameterBank,
  adapter: Adapter | undefined,
): Promise<Record<string, string>> {
  const { parameter: values } = await bank.read("parameter")
  const files: Record<string, Uint8Array> = adapter
    ? { ...writeAdapter(adapter.settings, trainedModules(adapter, values), model.config) }
    : { "model.safetensors": wholeModel(model, values) }
  if (!adapter) copyCompanionFiles(model.directory, folder.directory)
  const digests: Record<string, string> = {}
  for (const [name, bytes] of Object.entries(files)) {
    folder.write(name, bytes)
    digests[name] = sha256(bytes)
  }
  return digests
}

function trainedModules(adapter: Adapter, values: ReadonlyMap<string, Float32Array>): Map<string, AdapterModule> {
  const matrix = (path: string, letter: "A" | "B") => values.get(adapterTensorName(path, letter))!
  return new Map([...adapter.modules.keys()].map((path) => [path, { a: matrix(path, "A"), b: matrix(path, "B") }]))
}

function wholeModel({ config }: ModelFolder, values: ReadonlyMap<string, Float32Array>): Uint8Array {
  const tensors = [...decoderTensorShapes(config)].map(([name, shape]) => tensorOf(name, shape, values.get(name)!))
  return writeSafetensors(tensors, { format: "pt" })
}
