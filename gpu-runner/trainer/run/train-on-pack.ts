// The trainer's entrance for jobs: a pack, a model folder and a configuration in; artefacts in a folder and a report out.
// Also the evaluation of a pack's split, by sums of log-probs, which the orchestrator judges.

import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { readPack } from "#gpu-runner/data/rows/pack-data.ts"
import { promptsOf } from "#gpu-runner/data/rows/token-rows.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { unservableData } from "#shared/domain/servable-config.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import type { ScoredPair } from "#shared/methods/accuracy.ts"
import { definitionOf } from "#shared/methods/methods.ts"
import type { Evaluation } from "#shared/wire/evaluation.ts"
import { nearDuplicates } from "#shared/wire/near-duplicates.ts"
import type { Split } from "#shared/wire/pair-identity.ts"
import { UnusableConfig } from "../errors.ts"
import type { TrainReport } from "../results/artefacts.ts"
import { scoredPair } from "../results/evaluate.ts"
import { scoreGroups } from "../results/scorer.ts"
import { effectiveMaxLength } from "../rows/read-rows.ts"
import type { ProgressEvent, RunInputs } from "./run-inputs.ts"
import { trainThroughDeviceLoss } from "./survive-device-loss.ts"
import { trainRun } from "./train-run.ts"

export interface PackRun {
  /** An open device; or what opens one, and a new one after a loss, which the run then survives. */
  readonly gpu: GpuDevice | (() => Promise<GpuDevice>)
  /** A Hugging Face model folder. */
  readonly modelDir: string
  /** How the base is named in adapter_config.json; the folder's path by default. */
  readonly baseModel?: string | undefined
  /** The file of the pack's manifest; its shards lie beside it. */
  readonly pack: string
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
  const model = await readModelFolder(run.modelDir)
  const isAsked = run.maxLength === undefined ? undefined : run.config.maxLength !== run.maxLength
  const maxLength = effectiveMaxLength(run.config, model.config.maxPositions, isAsked)
  const kind = definitionOf(run.config.method).rows
  const unservable = unservableData(run.config)
  if (unservable !== undefined) throw new UnusableConfig(unservable)
  const { train, heldOut, dropped, digest, referenceDigest } = await readPack(run.pack, model, { kind, maxLength })
  const { gpu } = run
  const inputs: RunInputs = {
    model,
    baseModel: run.baseModel ?? model.name,
    config: { ...run.config, maxLength },
    train,
    heldOut,
    dropped,
    dataDigest: digest,
    referenceDigest,
    outDir: run.outDir,
    resume: run.resume,
    mostSteps: run.mostSteps,
    onProgress: run.onProgress,
    signal: run.signal,
  }
  return typeof gpu === "function" ? trainThroughDeviceLoss(gpu, inputs) : trainRun(gpu, inputs)
}

export interface PackEvaluation {
  readonly gpu: GpuDevice
  readonly modelDir: string
  /** A PEFT folder; without it the base is evaluated. */
  readonly adapterDir?: string | undefined
  /** The file of the pack's manifest; its shards lie beside it. */
  readonly pack: string
  readonly split: Split
  readonly signal?: AbortSignal | undefined
}

/** Policy log-probs of a split, in the pack's order. Errors: those of readModelFolder, readAdapterFolder, readPack and createDecoder. */
export async function evaluatePack({ gpu, signal, ...evaluation }: PackEvaluation): Promise<Evaluation> {
  const model = await readModelFolder(evaluation.modelDir)
  const adapted = evaluation.adapterDir === undefined ? undefined : readAdapterFolder(evaluation.adapterDir, model)
  const options = { kind: "pairs", maxLength: model.config.maxPositions } as const
  const { train, heldOut } = await readPack(evaluation.pack, model, options)
  const rows = evaluation.split === "train" ? train : heldOut
  const pairIds: string[] = []
  const pairs: ScoredPair[] = []
  for await (const group of scoreGroups(gpu, { model, adapter: adapted?.adapter }, rows, signal)) {
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
