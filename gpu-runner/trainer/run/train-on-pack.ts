// The trainer's entrance for jobs: a pack, a model folder and a configuration in; artefacts in a folder and a report out.
// Also the evaluation of a pack's split, by sums of log-probs, which the orchestrator judges.

import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { type PackData, type PackOptions, readPack } from "#gpu-runner/data/rows/pack-data.ts"
import { promptsOf } from "#gpu-runner/data/rows/token-rows.ts"
import { closeContext, createContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { Files } from "#shared/domain/Files.ts"
import { unservableConfig } from "#shared/domain/servable-config.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { BaseWeights } from "#shared/formats/weights/base-weights.ts"
import { type PrecisionPair, precisionPair } from "#shared/formats/weights/precision-bounds.ts"
import type { ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import type { ScoredPair } from "#shared/methods/accuracy.ts"
import { definitionOf } from "#shared/methods/methods.ts"
import type { Evaluation } from "#shared/wire/evaluation.ts"
import { nearDuplicates } from "#shared/wire/near-duplicates.ts"
import type { Split } from "#shared/wire/pair-identity.ts"
import { UnusableConfig } from "../errors.ts"
import { forecastMemory, type MemoryForecast } from "../plan/memory-forecast.ts"
import type { TrainReport } from "../results/artefacts.ts"
import { scoredPair } from "../results/evaluate.ts"
import { scoreGroups } from "../results/scorer.ts"
import { effectiveMaxLength } from "../rows/read-rows.ts"
import { adoptAdapter } from "./adopted-adapter.ts"
import { planRun } from "./plan-run.ts"
import type { ProgressEvent, RunInputs } from "./run-inputs.ts"
import { trainThroughDeviceLoss } from "./survive-device-loss.ts"
import { trainRun } from "./train-run.ts"

export interface PackRun {
  /** An open device; or what opens one, and a new one after a loss, which the run then survives. */
  readonly gpu: GpuDevice | (() => Promise<GpuDevice>)
  /** A Hugging Face model folder. */
  readonly modelDir: string
  /** File name -> digest, as the model was registered: weights that are others are refused. */
  readonly modelFiles?: Files | undefined
  /** How the base is named in adapter_config.json; the folder's path by default. */
  readonly baseModel?: string | undefined
  /** The file of the pack's manifest; its shards lie beside it. */
  readonly pack: string
  /** A PEFT folder to start from: the reference is then the base with it, as the policy starts, and the pack's is not read. */
  readonly adapterDir?: string | undefined
  readonly config: TrainConfig
  /** The dataset's, to which the pack's pairs were made: as the configuration's it was not asked for, and the model's limit may lower it. */
  readonly maxLength?: number | undefined
  readonly outDir: string
  readonly resume?: boolean | undefined
  readonly mostSteps?: number | undefined
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Trains on a pack's train split and judges its held-out split. Errors: those of readModelFolder, readPack, trainRun and trainThroughDeviceLoss. */
export async function trainOnPack(run: PackRun): Promise<TrainReport> {
  const inputs = await packInputs(run, await readModelFolder(run.modelDir, undefined, run.modelFiles))
  const { gpu } = run
  return typeof gpu === "function" ? trainThroughDeviceLoss(gpu, inputs) : trainRun(gpu, inputs)
}

/**
 * What trainOnPack would plan for a model of which the heads of its weights suffice, as foreseen memory. Nothing is allocated. Errors: those
 * of readPack and planRun; NotEnoughMemory where the run does not fit.
 */
export async function planOnPack(
  gpu: GpuDevice,
  run: Omit<PackRun, "gpu" | "modelDir">,
  model: ModelFolder,
): Promise<MemoryForecast> {
  const inputs = await packInputs(run, model)
  const context = createContext(gpu, "tuned", { precision: inputs.config.precision })
  try {
    const { config, stepPlan, ...sizes } = planRun(context, { ...inputs, onProgress: undefined })
    return forecastMemory(model, config, sizes, stepPlan)
  } finally {
    closeContext(context)
  }
}

async function packInputs(run: Omit<PackRun, "gpu" | "modelDir">, model: ModelFolder): Promise<RunInputs> {
  const startAdapter = startOf(run, model)
  const config = startAdapter ? adoptAdapter(run.config, startAdapter.adapter.settings) : run.config
  const isAsked = run.maxLength === undefined ? undefined : config.maxLength !== run.maxLength
  const maxLength = effectiveMaxLength(config, model.config.maxPositions, isAsked)
  const unservable = unservableConfig(config)
  if (unservable !== undefined) throw new UnusableConfig(unservable)
  const pack = await readPack(run.pack, model, { ...readAs(config, startAdapter !== undefined), maxLength })
  const { train, heldOut, dropped, digest, referenceDigest } = pack
  return {
    model,
    baseModel: run.baseModel ?? model.name,
    config: { ...config, maxLength },
    train,
    heldOut,
    dropped,
    dataDigest: digest,
    referenceDigest,
    precisions: await precisionsOf(pack, model, config),
    startAdapter,
    outDir: run.outDir,
    resume: run.resume,
    mostSteps: run.mostSteps,
    onProgress: run.onProgress,
    signal: run.signal,
  }
}

function startOf({ adapterDir }: Pick<PackRun, "adapterDir">, model: ModelFolder): RunInputs["startAdapter"] {
  return adapterDir === undefined ? undefined : { ...readAdapterFolder(adapterDir, model), directory: adapterDir }
}

/** Pairs with the pack's reference, but where the method needs scores that a pack does not hold, or the policy starts elsewhere. */
function readAs({ method }: TrainConfig, hasStart: boolean): Pick<PackOptions, "kind" | "readsReference"> {
  const { rows } = definitionOf(method)
  return { kind: rows, readsReference: rows !== "unpaired" && !hasStart }
}

/** Undefined where every weight of the base has the value that the reference was computed with. */
async function precisionsOf(
  { referencePrecision, referenceDigest }: PackData,
  model: ModelFolder,
  { baseWeights }: TrainConfig,
): Promise<PrecisionPair | undefined> {
  if (referencePrecision === undefined || referenceDigest === (await baseFingerprint(model, baseWeights)))
    return undefined
  return precisionPair(referencePrecision, baseWeights)
}

export interface PackEvaluation {
  readonly gpu: GpuDevice
  readonly modelDir: string
  /** File name -> digest, as the model was registered: weights that are others are refused. */
  readonly modelFiles?: Files | undefined
  /** A PEFT folder; without it the model is evaluated as it is. */
  readonly adapterDir?: string | undefined
  /** How the model is held, and computed with: as it was trained. */
  readonly baseWeights?: BaseWeights | undefined
  readonly precision?: ProductPrecision | undefined
  /** The file of the pack's manifest; its shards lie beside it. */
  readonly pack: string
  readonly split: Split
  readonly signal?: AbortSignal | undefined
}

/** Policy log-probs of a split, in the pack's order. Errors: those of readModelFolder, readAdapterFolder, readPack and createDecoder. */
export async function evaluatePack({
  gpu,
  signal,
  baseWeights,
  precision,
  ...evaluation
}: PackEvaluation): Promise<Evaluation> {
  const model = await readModelFolder(evaluation.modelDir, undefined, evaluation.modelFiles)
  const adapted = evaluation.adapterDir === undefined ? undefined : readAdapterFolder(evaluation.adapterDir, model)
  // A model that was trained as a whole is another than the one that scored the pack.
  const options = { kind: "pairs", maxLength: model.config.maxPositions, readsReference: false } as const
  const { train, heldOut } = await readPack(evaluation.pack, model, options)
  const rows = evaluation.split === "train" ? train : heldOut
  const pairIds: string[] = []
  const pairs: ScoredPair[] = []
  const scored = { model, adapter: adapted?.adapter, baseWeights, precision }
  for await (const group of scoreGroups(gpu, scored, rows, signal)) {
    pairIds.push(...group.rows.map(({ id }) => id))
    pairs.push(...group.scores.map(scoredPair))
  }
  const isHeldOut = evaluation.split === "held-out"
  return {
    pairIds,
    chosen: pairs.map(({ chosen }) => chosen),
    rejected: pairs.map(({ rejected }) => rejected),
    isNearDuplicate: isHeldOut ? nearDuplicates(promptsOf(train), promptsOf(heldOut)) : pairs.map(() => false),
  }
}
