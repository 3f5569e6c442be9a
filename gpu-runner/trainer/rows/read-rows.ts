// A data file as the rows of a run: read by the configuration's keys that decide what tokens a row has.

import { NoUsableRows } from "#gpu-runner/data/errors.ts"
import type { ModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import {
  countReasons,
  type DataKind,
  type DataRows,
  type DroppedRow,
  readDataFile,
} from "#gpu-runner/data/rows/data-file.ts"
import type { DataReadingOptions } from "#gpu-runner/data/rows/preference-file.ts"
import { DEFAULT_MAX_LENGTH, type TrainConfig } from "#shared/domain/TrainConfig.ts"
import { UnusableConfig } from "../errors.ts"

/** Keys that decide what a data file becomes. */
export const DATA_KEYS = [
  "maxLength",
  "overflow",
  "responseIncludesHeader",
  "chatTemplateOptions",
  "strengthAsWeight",
  "maxBadShare",
] as const

export type DataConfig = Pick<TrainConfig, (typeof DATA_KEYS)[number]>

/**
 * The configured length, or the model's own limit where that is below the default. Errors: UnusableConfig for a length above it that was
 * asked for: any but the default, and that too where `isWritten`.
 */
export function effectiveMaxLength(
  { maxLength }: Pick<TrainConfig, "maxLength">,
  maxPositions: number,
  isWritten = maxLength !== DEFAULT_MAX_LENGTH,
): number {
  if (maxLength <= maxPositions || !isWritten) return Math.min(maxLength, maxPositions)
  throw new UnusableConfig(
    `maxLength ${maxLength} is above the model's limit of ${maxPositions} tokens (max_position_embeddings); lower it, or leave it out`,
  )
}

/** Told once a file which rows were left out, and which fields nobody read. */
export type OnDropped = (file: string, rows: readonly DroppedRow[], unread: readonly string[]) => void

export interface ReadRowsOptions {
  readonly onDropped?: OnDropped | undefined
  /** What the command line says of the file; its share of bad rows overrides the configuration's. */
  readonly reading?: DataReadingOptions | undefined
}

/** Reads the file, before a device is opened. Errors: those of readDataFile, NoUsableRows. */
export async function readRows(
  file: string,
  kind: DataKind,
  model: ModelFolder,
  config: DataConfig,
  { onDropped, reading }: ReadRowsOptions = {},
): Promise<DataRows> {
  const maxLength = effectiveMaxLength(config, model.config.maxPositions)
  const { overflow, responseIncludesHeader, chatTemplateOptions, strengthAsWeight } = config
  const maxBadShare = reading?.maxBadShare ?? config.maxBadShare
  const policy = { maxLength, overflow, responseIncludesHeader, chatTemplateOptions }
  const data = await readDataFile(file, model.tokenisation, {
    ...reading,
    kind,
    ...policy,
    strengthAsWeight,
    maxBadShare,
  })
  if (data.dropped.length + data.unread.length > 0) onDropped?.(file, data.dropped, data.unread)
  if (data.rows.length === 0) throw new NoUsableRows(file, countReasons(data.dropped))
  return data
}
