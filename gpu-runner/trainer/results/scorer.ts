// A model opened for scoring only: for `yohaku score`, `yohaku eval`, and the evaluation of packs.

import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import {
  type ModelFolder,
  type OnWeightsRead,
  readAdapterFolder,
  readModelFolder,
} from "#gpu-runner/data/model/model-folder.ts"
import type { DataRows } from "#gpu-runner/data/rows/data-file.ts"
import { drawnMicroBatches } from "#gpu-runner/data/rows/micro-batches.ts"
import { DEFAULT_MAX_BAD_SHARE } from "#gpu-runner/data/rows/preference-file.ts"
import { mostPositions, type Rows, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { closeContext, createContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import type { Adapter } from "#shared/formats/peft/adapter.ts"
import { type BaseWeights, heldBytes } from "#shared/formats/weights/base-weights.ts"
import type { ProductPrecision } from "#shared/formats/weights/product-precision.ts"
import type { ChatTemplateOptions } from "#shared/tokenisation/tokenisation.ts"
import { ModelTooLarge } from "../errors.ts"
import { deviceBudgetBytes, fittingKinds } from "../plan/device-budget.ts"
import { scoringTokenBudget } from "../plan/scoring-budget.ts"
import { type OnDropped, type ReadRowsOptions, readRows } from "../rows/read-rows.ts"
import { type RowScores, scoreMicroBatch } from "../step/score-rows.ts"

export interface ScoringFiles {
  readonly modelDir: string
  readonly adapterDir?: string | undefined
  readonly dataFile: string
  /** Tokens; the model's own limit by default and at most. */
  readonly maxLength?: number | undefined
  readonly overflow?: "drop" | "truncate" | "error" | undefined
  /** How the base is held; in the checkpoint's own dtype by default. */
  readonly baseWeights?: BaseWeights | undefined
  /** Of matrix products; mixed by default. */
  readonly precision?: ProductPrecision | undefined
  readonly responseIncludesHeader?: boolean | undefined
  readonly chatTemplateOptions?: ChatTemplateOptions | undefined
  /** How the data file is read. */
  readonly reading?: ReadRowsOptions["reading"]
}

/** A model as it is scored with. */
export interface ScoringModel {
  readonly model: ModelFolder
  readonly adapter: Adapter | undefined
  /** In the checkpoint's own dtype by default. */
  readonly baseWeights?: BaseWeights | undefined
  /** Of matrix products; mixed by default. */
  readonly precision?: ProductPrecision | undefined
}

export interface ScoringInputs extends ScoringModel {
  readonly adapterDigest: string | undefined
  readonly data: DataRows
  /** Names the base as it is held. */
  readonly fingerprint: string
}

/** Reads model, adapter and pairs, before a device is opened. Errors: those of the folders' readers and of readRows. */
export async function readScoringInputs(
  files: ScoringFiles,
  onDropped: OnDropped,
  onRead?: OnWeightsRead,
): Promise<ScoringInputs> {
  const model = await readModelFolder(files.modelDir, onRead)
  const adapted = files.adapterDir === undefined ? undefined : readAdapterFolder(files.adapterDir, model)
  const { maxLength = model.config.maxPositions, overflow = "drop", baseWeights = "stored", precision } = files
  const { responseIncludesHeader = false, chatTemplateOptions = {} } = files
  const policy = {
    maxLength,
    overflow,
    responseIncludesHeader,
    chatTemplateOptions,
    strengthAsWeight: false,
    maxBadShare: DEFAULT_MAX_BAD_SHARE,
  }
  const data = await readRows(files.dataFile, "pairs", model, policy, { onDropped, reading: files.reading })
  const fingerprint = await baseFingerprint(model, baseWeights)
  const adapterFacts = { adapter: adapted?.adapter, adapterDigest: adapted?.digest }
  return { model, ...adapterFacts, data, baseWeights, precision, fingerprint }
}

export interface ScoredGroup {
  readonly rows: readonly TokenRow[]
  readonly scores: readonly RowScores[]
}

/** Of the model only names, shapes and dtypes are read. Errors: ModelTooLarge, before anything is uploaded. */
export function checkFits(
  gpu: GpuDevice,
  { model, baseWeights = "stored" }: Pick<ScoringModel, "model" | "baseWeights">,
): void {
  const budgetBytes = deviceBudgetBytes(gpu, {})
  const bytesAs = (kind: BaseWeights) => heldBytes(model.config, (name) => model.tensors.get(name)!.dtype, kind).total
  const takenBytes = bytesAs(baseWeights)
  if (budgetBytes === undefined || takenBytes <= budgetBytes) return
  throw new ModelTooLarge(takenBytes, budgetBytes, fittingKinds(bytesAs, takenBytes, budgetBytes))
}

/**
 * Scores rows micro-batch by micro-batch, in their order; the model is released at the end. Throws the signal's reason when it is
 * aborted. Errors: ModelTooLarge.
 */
export async function* scoreGroups(
  gpu: GpuDevice,
  scored: ScoringModel,
  rows: Rows,
  signal?: AbortSignal,
): AsyncGenerator<ScoredGroup> {
  checkFits(gpu, scored)
  const { model, adapter, baseWeights, precision } = scored
  const context = createContext(gpu, "tuned", { precision })
  const policy = createDecoder(context, model, { positionCount: mostPositions(rows), adapter, baseWeights })
  try {
    for (const group of drawnMicroBatches(rows, scoringTokenBudget(model.config, gpu))) {
      signal?.throwIfAborted()
      const { scores } = await scoreMicroBatch(context, policy, group)
      yield { rows: group, scores }
    }
  } finally {
    policy.release()
    closeContext(context)
  }
}
