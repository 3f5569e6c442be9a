// What a finished run leaves in its folder: the adapter (or, after a full fine-tune, a whole model folder) and the report.
import { sha256 } from "#gpu-runner/data/files.ts"
import { copyCompanionFiles, type ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { writeModelWeights } from "#gpu-runner/data/model/model-weights.ts"
import type { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import type { ParameterBank } from "#gpu-runner/models/parameter-bank.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { type Adapter, type AdapterModule, adapterTensorName, writeAdapter } from "#shared/formats/peft/adapter.ts"
import { encodeTensor, isFloatDtype, type Tensor } from "#shared/formats/weights/safetensors.ts"
import type { StepMetrics } from "../step/step-metrics.ts"
import type { HeldOutEvaluation } from "./evaluate.ts"

export type ReferenceSource = "given" | "computed" | "none"

/** How far apart policy and reference were before step 1. */
export interface SelfTestResult {
  readonly rows: number
  /** Largest |M|, nats per token. */
  readonly maxGap: number
  /** Largest |ℓθ − ℓref| of a response: a shift of both responses alike cancels in M, but not here. */
  readonly maxDifference: number
  readonly tolerance: number
}

/** report.json. */
export interface TrainReport {
  readonly method: TrainConfig["method"]
  readonly config: TrainConfig
  /** γ = β · γ/β; null for methods without a margin. */
  readonly gamma: number | null
  /** Steps of the schedule. */
  readonly steps: number
  /** Steps done: fewer where early stopping ended the run. */
  readonly stepsDone: number
  readonly isStoppedEarly: boolean
  /** The best evaluation by earlyStoppingMetric, and whether its parameters were written. */
  readonly best: { readonly step: number; readonly value: number; readonly isWritten: boolean } | null
  /** Steps whose loss and gradient were finite. */
  readonly updates: number
  readonly skippedSteps: number
  /** Step of the checkpoint that the run went on from; 0 for an uninterrupted one. */
  readonly resumedFromStep: number
  readonly durationSeconds: number
  readonly tokens: number
  readonly tokensPerSecond: number
  /** What the run was to hold at most, foreseen before its first step: on the device, on a software adapter with all else of the process. */
  readonly plannedBytes: number
  readonly pairs: {
    readonly train: number
    readonly heldOut: number
    /** Held-out ones whose prompt is a trained one or nearly repeats it (shared/wire/near-duplicates.ts): their accuracy tells what was remembered. */
    readonly nearDuplicates: number
    readonly dropped: Readonly<Record<string, number>>
  }
  /** Names the data, as in RunInputs. */
  readonly data: string
  readonly reference: { readonly source: ReferenceSource; readonly digest: string | null }
  readonly selfTest: SelfTestResult | null
  readonly model: { readonly fingerprint: string; readonly weights: string }
  readonly loss: { readonly first: number | null; readonly last: number | null }
  readonly lastMetrics: StepMetrics | null
  /** Held-out pairs before and after training; null without a held-out split. */
  readonly heldOut: { readonly before: HeldOutEvaluation; readonly after: HeldOutEvaluation } | null
  readonly adapter: string
  /** SHA-256 of every artefact by file name. */
  readonly files: Readonly<Record<string, string>>
}

/**
 * Writes the trained parameters; returns the artefacts' digests by file name. An adapter is f32; a full fine-tune is stored
 * in the base's dtype and files, as its users expect it, while checkpoints stay f32.
 */
export async function writeArtefacts(
  folder: RunFolder,
  model: ModelFolder,
  bank: ParameterBank,
  adapter: Adapter | undefined,
): Promise<Record<string, string>> {
  const { parameter: values } = await bank.read("parameter")
  if (!adapter) {
    copyCompanionFiles(model.directory, folder.directory)
    // Some tied models store their head again; it must follow the embedding that was trained.
    const isTiedHead = (name: string) => model.config.tieWordEmbeddings && name === "lm_head.weight"
    const trained = (name: string) => values.get(isTiedHead(name) ? "model.embed_tokens.weight" : name)
    return writeModelWeights(model, folder.directory, (tensor) => inDtypeOf(tensor, trained(tensor.name)))
  }
  const files = writeAdapter(adapter.settings, trainedModules(adapter, values), model.config, model.weightsDigest)
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

/** Trained weights in the dtype of the base they came from; a stored tensor that is no parameter stays as it is. */
function inDtypeOf(stored: Tensor, trained: Float32Array | undefined): Tensor {
  if (!trained || !isFloatDtype(stored.dtype)) return stored
  return encodeTensor(stored.name, stored.shape, trained, stored.dtype)
}
