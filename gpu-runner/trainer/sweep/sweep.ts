// Runs the cells of a sweep one after another on one device. Model and data are read once and the reference is scored once, since neither
// method nor seed nor noise changes it (an exchanged pair's reference is exchanged with it). Every cell is a run folder of its own that a
// killed sweep goes on with; finished cells are not run again.

import { sha256 } from "#gpu-runner/data/files.ts"
import { baseFingerprint } from "#gpu-runner/data/model/base-fingerprint.ts"
import { type ModelFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { countReasons } from "#gpu-runner/data/rows/data-file.ts"
import { mostPositions, type TokenRow } from "#gpu-runner/data/rows/token-rows.ts"
import { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import { closeContext, createContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { definitionOf, isPreferenceMethod, needsReferenceTokens } from "#shared/methods/methods.ts"
import { SweepMismatch, TrainingAborted, UnusableConfig } from "../errors.ts"
import { scoringTokenBudget } from "../plan/scoring-budget.ts"
import type { TrainReport } from "../results/artefacts.ts"
import { DATA_KEYS, effectiveMaxLength, type OnDropped, type ReadRowsOptions, readRows } from "../rows/read-rows.ts"
import { scoreRowsKept } from "../run/kept-scores.ts"
import { withScoredReference } from "../run/reference.ts"
import type { ProgressEvent, RunInputs } from "../run/run-inputs.ts"
import { trainThroughDeviceLoss } from "../run/survive-device-loss.ts"
import { withLabelNoise } from "./label-noise.ts"
import type { SweepCell } from "./sweep-cells.ts"
import type { CellResult } from "./sweep-table.ts"

export interface SweepRun {
  readonly modelDir: string
  readonly dataFile: string
  readonly heldOutFile: string
  readonly outDir: string
  /** At least one. */
  readonly cells: readonly SweepCell[]
  /** How the data files are read. */
  readonly reading?: ReadRowsOptions["reading"]
  readonly onDropped?: OnDropped | undefined
  readonly onProgress?: ((cell: SweepCell, event: ProgressEvent) => void) | undefined
  /** After each cell, also one that was there already. */
  readonly onCell?: ((result: CellResult, wasThere: boolean) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface SweepData {
  readonly model: ModelFolder
  readonly train: readonly TokenRow[]
  readonly heldOut: readonly TokenRow[]
  readonly dropped: Readonly<Record<string, number>>
  readonly digest: string
  /** Names the base as it is held: the reference of every cell. */
  readonly fingerprint: string
}

/** Reads model and data, before a device is opened. Errors: those of the readers, UnusableConfig for cells that read data differently. */
export async function readSweep(run: SweepRun): Promise<SweepData> {
  const common = commonPolicy(run.cells)
  const model = await readModelFolder(run.modelDir)
  const read = (file: string) => readRows(file, "pairs", model, common, run)
  const [train, heldOut] = [await read(run.dataFile), await read(run.heldOutFile)]
  return {
    model,
    train: train.rows,
    heldOut: heldOut.rows,
    dropped: countReasons(train.dropped),
    digest: sha256(train.digest, heldOut.digest),
    fingerprint: await baseFingerprint(model, common.baseWeights),
  }
}

const SHARED_KEYS = [...DATA_KEYS, "baseWeights", "precision"] as const

/** Tokens and reference are shared, so no cell may want others. */
function commonPolicy(cells: readonly SweepCell[]): Pick<TrainConfig, (typeof SHARED_KEYS)[number]> {
  const [first, ...others] = cells.map(({ config }) => config)
  for (const config of [first!, ...others]) {
    if (!isPreferenceMethod(config.method)) {
      throw new UnusableConfig(`a sweep compares preference methods; leave ${config.method} out`)
    }
    if (config.heldOutShare > 0) throw new UnusableConfig("a sweep judges by --held-out; leave heldOutShare out")
    for (const key of SHARED_KEYS) {
      if (canonicalJson(config[key] ?? null) === canonicalJson(first![key] ?? null)) continue
      throw new UnusableConfig(
        `${key} decides what data and reference are and cannot be varied in a sweep; run one sweep for each`,
      )
    }
  }
  return first!
}

/** Runs what is not there yet; returns every cell's result in order. Errors: those of trainThroughDeviceLoss, SweepMismatch. */
export async function runSweep(
  device: () => Promise<GpuDevice>,
  run: SweepRun,
  data: SweepData,
): Promise<CellResult[]> {
  let referenced: Pick<SweepData, "train" | "heldOut"> | undefined
  const results: CellResult[] = []
  for (const cell of run.cells) {
    const inputs = cellInputs(cell, run, data)
    const there = finishedReport(inputs, cell)
    referenced ??= there ? undefined : await scoredOnce(await device(), run, data)
    const report = there ?? (await trainedCell(device, { ...inputs, ...noisy(cell, referenced!) }))
    const result = cellResult(cell, report)
    results.push(result)
    run.onCell?.(result, there !== undefined)
  }
  return results
}

const SAME_SWEEP = "the same sweep again"

async function trainedCell(device: () => Promise<GpuDevice>, inputs: RunInputs): Promise<TrainReport> {
  try {
    return await trainThroughDeviceLoss(device, inputs)
  } catch (error) {
    throw error instanceof TrainingAborted ? new TrainingAborted(error.step, SAME_SWEEP) : error
  }
}

function cellInputs(cell: SweepCell, run: SweepRun, data: SweepData) {
  return {
    model: data.model,
    baseModel: data.model.name,
    config: cell.config,
    dropped: data.dropped,
    dataDigest: sha256(data.digest, canonicalJson({ noise: cell.group.noise, noiseSeed: cell.seed })),
    referenceDigest: data.fingerprint,
    outDir: `${run.outDir}/cells/${cell.name}`,
    resume: true,
    onProgress: (event: ProgressEvent) => run.onProgress?.(cell, event),
    signal: run.signal,
  }
}

/** A method on labelled rows scores completions that no pair has, and so its reference itself. */
function noisy({ group, seed, config }: SweepCell, { train, heldOut }: Pick<SweepData, "train" | "heldOut">) {
  const noisyTrain = withLabelNoise(train, group.noise, seed)
  if (definitionOf(config.method).rows !== "unpaired") return { train: noisyTrain, heldOut }
  const bare = (rows: readonly TokenRow[]) => rows.map((row) => ({ ...row, reference: undefined }))
  return { train: bare(noisyTrain), heldOut: bare(heldOut) }
}

async function scoredOnce(gpu: GpuDevice, { cells, outDir, signal }: SweepRun, { model, train, heldOut }: SweepData) {
  const { baseWeights, precision } = commonPolicy(cells)
  const context = createContext(gpu, "tuned", { precision })
  const rows = [...train, ...heldOut]
  const positionCount = mostPositions(rows)
  const base = createDecoder(context, model, { positionCount, baseWeights })
  try {
    const scoredWith = { baseWeights, precision, tokensPerMicroBatch: scoringTokenBudget(model.config, gpu) }
    const scores = await scoreRowsKept(
      context,
      base,
      rows,
      scoredWith,
      { outDir, model, signal },
      { name: "reference" },
    )
    const configs = cells.map(({ config }) => config)
    const referenced = withScoredReference(rows, scores, configs.find(needsReferenceTokens) ?? configs[0]!)
    return { train: referenced.slice(0, train.length), heldOut: referenced.slice(train.length) }
  } catch (error) {
    throw signal?.aborted ? new TrainingAborted(0, SAME_SWEEP) : error
  } finally {
    base.release()
    closeContext(context)
  }
}

/** The report of a cell that has run. Errors: SweepMismatch when it ran with something else. */
function finishedReport(
  { outDir, dataDigest, model }: { outDir: string; dataDigest: string; model: ModelFolder },
  { config }: SweepCell,
): TrainReport | undefined {
  const report = new RunFolder(outDir).readJson("report.json") as TrainReport | undefined
  if (!report) return undefined
  // What a run resolves by the model's size is no wish of the sweep's.
  const wish = { ...config, maxLength: effectiveMaxLength(config, model.config.maxPositions) }
  const isSame = Object.entries(wish).every(
    ([key, value]) => canonicalJson(value ?? null) === canonicalJson(report.config[key as keyof TrainConfig] ?? null),
  )
  if (isSame && report.data === dataDigest && report.model.fingerprint === model.fingerprint) return report
  throw new SweepMismatch(outDir)
}

function cellResult({ name, group, seed }: SweepCell, report: TrainReport): CellResult {
  const { before, after } = report.heldOut!
  return {
    name,
    group,
    seed,
    accuracyBefore: before.accuracy,
    accuracy: after.accuracy,
    loss: after.loss,
    klPerToken: after.klPerToken ?? null,
    steps: report.stepsDone,
    durationSeconds: report.durationSeconds,
  }
}
