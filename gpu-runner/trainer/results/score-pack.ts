// The trainer's entrance for score jobs: the reference log-probs of a pack's pairs, by the code of `yohaku score`, group by group.
import { fingerprintOf } from "#gpu-runner/data/model/base-fingerprint.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { readPackPairs } from "#gpu-runner/data/rows/pack-data.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { Files } from "#shared/domain/Files.ts"
import { computedWith, type ReferencePrecision } from "#shared/formats/weights/reference-precision.ts"
import { ReferenceNotOfModel } from "../errors.ts"
import { type ScoredGroup, scoreGroups } from "./scorer.ts"

export interface PackScoring {
  readonly gpu: GpuDevice
  /** A Hugging Face model folder. */
  readonly modelDir: string
  /** File name -> digest, as the model was registered: weights that are others are refused. */
  readonly modelFiles?: Files | undefined
  /** The file of the pack's manifest; its shards lie beside it. */
  readonly pack: string
  /** Pairs at the beginning that are scored already. */
  readonly from: number
  readonly precision: ReferencePrecision
  /** The fingerprint of the reference that is asked for. */
  readonly reference: string
  readonly signal?: AbortSignal | undefined
}

/** Groups of pairs in the pack's order. Errors: ReferenceNotOfModel, and those of readModelFolder, readPackPairs and scoreGroups. */
export async function* scorePack(scoring: PackScoring): AsyncGenerator<ScoredGroup> {
  const { gpu, modelDir, modelFiles, pack, from, precision, reference, signal } = scoring
  const model = await readModelFolder(modelDir, undefined, modelFiles)
  const found = await fingerprintOf(model, precision)
  if (found !== reference) throw new ReferenceNotOfModel(reference, found)
  const rows = (await readPackPairs(pack, model)).slice(from)
  if (rows.length === 0) return
  yield* scoreGroups(gpu, { model, adapter: undefined, ...computedWith(precision) }, rows, signal)
}
