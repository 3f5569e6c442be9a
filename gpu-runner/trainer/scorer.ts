// A model opened for scoring only: for `yohaku score` and `yohaku eval`.

import { NoUsableRows } from "#gpu-runner/data/errors.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { countReasons, type DataRows, type DroppedRow, readDataFile } from "#gpu-runner/data/rows/data-file.ts"
import { microBatches } from "#gpu-runner/data/rows/pack-rows.ts"
import { rowPositions, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import type { BaseWeights } from "#shared/formats/base-weights.ts"
import type { Adapter } from "#shared/formats/peft.ts"
import type { ChatTemplateOptions } from "#shared/tokenisation/tokenisation.ts"
import { type RowScores, scoreMicroBatch } from "./step/score-rows.ts"
import { defaultTokenBudget } from "./token-budget.ts"

export interface ScoringFiles {
  readonly modelDir: string
  readonly adapterDir?: string | undefined
  readonly dataFile: string
  /** Tokens; the model's own limit by default and at most. */
  readonly maxLength?: number | undefined
  readonly overflow?: "drop" | "truncate" | "error" | undefined
  /** How the base is held; in the checkpoint's own dtype by default. */
  readonly baseWeights?: BaseWeights | undefined
  readonly responseIncludesHeader?: boolean | undefined
  readonly chatTemplateOptions?: ChatTemplateOptions | undefined
}

export interface ScoringInputs {
  readonly model: ModelFolder
  readonly adapter: Adapter | undefined
  readonly adapterDigest: string | undefined
  readonly data: DataRows
  readonly baseWeights: BaseWeights
  /** Names the base as it is held. */
  readonly fingerprint: string
}

/** Reads model, adapter and pairs, before a device is opened. Errors: those of the readers, and NoUsableRows. */
export async function readScoringInputs(
  files: ScoringFiles,
  onDropped: (rows: readonly DroppedRow[]) => void,
): Promise<ScoringInputs> {
  const model = await readModelFolder(files.modelDir)
  const adapted = files.adapterDir === undefined ? undefined : readAdapterFolder(files.adapterDir, model)
  const maxLength = Math.min(files.maxLength ?? Number.POSITIVE_INFINITY, model.config.maxPositions)
  const { overflow = "drop", responseIncludesHeader, chatTemplateOptions } = files
  const options = { kind: "pairs" as const, maxLength, overflow, responseIncludesHeader, chatTemplateOptions }
  const data = await readDataFile(files.dataFile, model.tokenisation, options)
  if (data.dropped.length > 0) onDropped(data.dropped)
  if (data.rows.length === 0) throw new NoUsableRows(files.dataFile, countReasons(data.dropped))
  const { baseWeights = "stored" } = files
  const fingerprint = await baseFingerprint(model, baseWeights)
  return { model, adapter: adapted?.adapter, adapterDigest: adapted?.digest, data, baseWeights, fingerprint }
}

export interface ScoredGroup {
  readonly rows: readonly TokenRow[]
  readonly scores: readonly RowScores[]
}

/** Scores the pairs micro-batch by micro-batch, in the file's order; the model is released at the end. */
export async function* scoreGroups(
  gpu: GpuDevice,
  { model, adapter, data, baseWeights }: ScoringInputs,
): AsyncGenerator<ScoredGroup> {
  const context = createContext(gpu)
  const positionCount = data.rows.reduce((most, row) => Math.max(most, rowPositions(row)), 1)
  const policy = createDecoder(context, model, { positionCount, adapter, baseWeights })
  try {
    for (const rows of microBatches(data.rows, defaultTokenBudget(model.config, gpu.limits))) {
      const { scores } = await scoreMicroBatch(context, policy, rows)
      yield { rows, scores }
    }
  } finally {
    policy.release()
    context.memory.trim()
  }
}
