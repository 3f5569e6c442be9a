// What the command line trains from: JSON Lines files and an optional reference file instead of a pack.

import { sha256 } from "#gpu-runner/data/files.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { type ModelFolder, readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { countReasons, dataKindOf } from "#gpu-runner/data/rows/data-file.ts"
import { readReferenceFile, withReference } from "#gpu-runner/data/rows/reference-file.ts"
import { checkReferenceOrigin } from "#gpu-runner/data/rows/reference-origin.ts"
import type { TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { definitionOf } from "#shared/methods/methods.ts"
import { UnusableConfig } from "../errors.ts"
import { canonicalPromptOfRows, type SplitRows, splitByPrompt } from "../rows/held-out-split.ts"
import { effectiveMaxLength, type OnDropped, type ReadRowsOptions, readRows } from "../rows/read-rows.ts"
import { adoptAdapter } from "./adopted-adapter.ts"
import type { ProgressEvent, RunInputs } from "./run-inputs.ts"
import { checkRunFolder, refuseInputFolder } from "./train-run.ts"

export interface FilesRun {
  readonly modelDir: string
  readonly dataFile: string
  readonly heldOutFile?: string | undefined
  /** JSON Lines of `yohaku score`. */
  readonly referenceFile?: string | undefined
  /** A PEFT folder to start from. */
  readonly adapterDir?: string | undefined
  readonly config: TrainConfig
  /** What the user wrote, to tell a default from a wish that contradicts the adapter. */
  readonly writtenConfig?: Readonly<Record<string, unknown>> | undefined
  readonly outDir: string
  readonly resume?: boolean | undefined
  readonly profile?: boolean | undefined
  /** For the model card. */
  readonly command?: string | undefined
  /** How the data files are read. */
  readonly reading?: ReadRowsOptions["reading"]
  readonly onDropped?: OnDropped | undefined
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Reads everything a run needs, before a device is opened. Errors: FolderInUse, UnfinishedRun, those of the readers, UnusableConfig. */
export async function readFilesRun(run: FilesRun): Promise<RunInputs & SplitRows> {
  checkRunFolder(run)
  const model = await readModelFolder(run.modelDir, (file, bytes, bytesTotal) => {
    const [done, total] = [Math.round(bytes / 1e6), Math.round(bytesTotal / 1e6)]
    run.onProgress?.({ _tag: "Preparing", what: `reading ${file}:`, done, total, unit: "MB" })
  })
  const startAdapter = run.adapterDir === undefined ? undefined : readAdapterFolder(run.adapterDir, model)
  const adapter = startAdapter && { ...startAdapter, directory: run.adapterDir }
  refuseInputFolder({ outDir: run.outDir, model, startAdapter: adapter })
  const config = startAdapter ? adoptAdapter(run.config, startAdapter.adapter.settings, run.writtenConfig) : run.config
  if (run.writtenConfig?.maxLength !== undefined) effectiveMaxLength(config, model.config.maxPositions, true)
  const data = await readRows(run.dataFile, dataKindOf(config.method), model, config, run)
  const heldOut = run.heldOutFile && (await readRows(run.heldOutFile, "pairs", model, config, run))
  if (definitionOf(config.method).rows === "unpaired" && run.referenceFile !== undefined) {
    throw new UnusableConfig(
      `${config.method} scores its own reference, since it also needs mismatched completions; leave --reference out`,
    )
  }
  const reference = run.referenceFile === undefined ? undefined : readReferenceFile(run.referenceFile)
  if (reference) {
    checkReferenceOrigin(run.referenceFile!, {
      reference: reference.digest,
      model: await baseFingerprint(model, config.baseWeights),
      adapter: startAdapter?.digest ?? null,
    })
  }
  const rows = reference ? withReference(data.rows, run.referenceFile!, reference) : data.rows
  return {
    model,
    baseModel: model.name,
    config,
    ...splitRows(rows, heldOut ? heldOut.rows : undefined, config, model),
    dropped: countReasons(data.dropped),
    dataDigest: heldOut ? sha256(data.digest, heldOut.digest) : data.digest,
    fileDigests: { data: data.digest, heldOut: heldOut ? heldOut.digest : undefined },
    referenceDigest: reference?.digest,
    startAdapter: adapter,
    outDir: run.outDir,
    resume: run.resume,
    profile: run.profile,
    command: run.command,
    onProgress: run.onProgress,
    signal: run.signal,
  }
}

/** A held-out file, or a share of the data. */
function splitRows(
  rows: readonly TokenRow[],
  heldOut: readonly TokenRow[] | undefined,
  config: TrainConfig,
  model: ModelFolder,
): SplitRows {
  const { heldOutShare, method } = config
  if (heldOutShare === 0) return { train: rows, heldOut: heldOut ?? [] }
  if (heldOut) throw new UnusableConfig("heldOutShare and --held-out exclude each other; keep one")
  if (definitionOf(method).rows === "responses") {
    throw new UnusableConfig(`heldOutShare splits pairs, and ${method} trains on responses; give pairs by --held-out`)
  }
  if (rows.some(({ label }) => label !== undefined)) {
    throw new UnusableConfig(
      "heldOutShare splits pairs, and the data have labelled completions; give pairs by --held-out",
    )
  }
  return splitByPrompt(rows, heldOutShare, canonicalPromptOfRows(model, config))
}
