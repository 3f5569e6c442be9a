// A whole training run on an open device: prepares, loops, writes the artefacts.
// Plain asynchronous code: nothing here needs Effect, its callers at the edge (CLI, jobs) wrap it.
import { isSameFolder } from "#gpu-runner/data/files.ts"
import { CARD_FILE } from "#gpu-runner/data/model/card-file.ts"
import { promptsOf } from "#gpu-runner/data/rows/token-rows.ts"
import { lockFolder } from "#gpu-runner/data/run/folder-lock.ts"
import { RunFolder } from "#gpu-runner/data/run/run-folder.ts"
import { closeContext, createContext, type OpContext } from "#gpu-runner/device/context.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import { AdamwState } from "#gpu-runner/optimiser/adamw-state.ts"
import type { TrainConfig } from "#shared/domain/TrainConfig.ts"
import { nearDuplicates } from "#shared/wire/near-duplicates.ts"
import { NothingTrained, TrainingAborted, UnfinishedRun, UnusableConfig } from "../errors.ts"
import { type TrainReport, writeArtefacts } from "../results/artefacts.ts"
import { trainingCard } from "../results/model-card.ts"
import { StepProfiler } from "../step/step-profile.ts"
import { type PreparedRun, prepareRun } from "./prepare-run.ts"
import type { ProgressEvent, RunInputs } from "./run-inputs.ts"
import { type LoopResult, TrainingLoop } from "./training-loop.ts"

/**
 * Trains and writes everything into `inputs.outDir`. Errors: those of prepareRun, UnusableConfig for the folder of an input, FolderInUse, UnfinishedRun, CheckpointMismatch,
 * TrainingDiverged, NothingTrained, TrainingAborted, DegenerateGapStatistics, and the device's.
 */
export async function trainRun(gpu: GpuDevice, inputs: RunInputs): Promise<TrainReport> {
  refuseInputFolder(inputs)
  const unlock = lockFolder(inputs.outDir)
  try {
    return await trainInto(new RunFolder(inputs.outDir), gpu, inputs)
  } finally {
    unlock()
  }
}

/** Looks at the folder of a run before anything is done for it. Throws FolderInUse and UnfinishedRun. */
export function checkRunFolder(run: Pick<RunInputs, "outDir" | "resume">): void {
  if (!new RunFolder(run.outDir).isUnfinished) return
  // A run that is still going on is unfinished too, and cannot be resumed.
  lockFolder(run.outDir)()
  refuseUnfinished(run)
}

function refuseUnfinished({ outDir, resume }: Pick<RunInputs, "outDir" | "resume">): void {
  if (!resume && new RunFolder(outDir).isUnfinished) throw new UnfinishedRun(outDir)
}

/** A run replaces files of its folder: README.md, config.json, weights. None of them may be what it is made from. Throws UnusableConfig. */
export function refuseInputFolder({
  outDir,
  model,
  startAdapter,
}: Pick<RunInputs, "outDir" | "model" | "startAdapter">): void {
  const sources = {
    "model that is trained": model.directory,
    "adapter that training starts from": startAdapter?.directory,
  }
  for (const [what, directory] of Object.entries(sources)) {
    if (directory === undefined || !isSameFolder(directory, outDir)) continue
    throw new UnusableConfig(`${outDir} is the folder of the ${what}, and would be overwritten; choose another --out`)
  }
}

/** Errors that the same run would meet again: it is not to be gone on with, but to be changed. */
const ENDINGS: ReadonlySet<string> = new Set([
  ...["UnusableConfig", "NotEnoughMemory", "NoUsableRows", "ReferenceMismatch", "SelfTestFailed"],
  ...["TrainingDiverged", "NothingTrained", "DegenerateGapStatistics"],
])

async function trainInto(folder: RunFolder, gpu: GpuDevice, inputs: RunInputs): Promise<TrainReport> {
  refuseUnfinished(inputs)
  if (!inputs.resume) folder.clear()
  folder.noteEnded(false)
  const context = createContext(gpu, "tuned", { precision: inputs.config.precision })
  context.recorder.pipelines.onCompiled = (done, total) =>
    inputs.onProgress?.({ _tag: "Preparing", what: "compiling:", done, total, unit: "kernels" })
  try {
    const prepared = await prepareRun(context, inputs)
    const optimiser = new AdamwState(context, prepared.policy.trained!.shards, prepared.config.optimiser)
    try {
      const loopWith = (watched: RunInputs) => new TrainingLoop(context, folder, watched, prepared, optimiser)
      const run = inputs.profile
        ? () => profiledLoop(context, folder, inputs, loopWith)
        : () => loopWith(inputs).toTheEnd()
      folder.writeJson("config.resolved.json", prepared.config)
      return await finish(folder, inputs, prepared, await run(), gpu)
    } finally {
      optimiser.release()
      prepared.policy.release()
    }
  } catch (error) {
    if (inputs.signal?.aborted && !(error instanceof TrainingAborted)) throw new TrainingAborted(0)
    folder.noteEnded(ENDINGS.has((error as { readonly _tag?: string } | null)?._tag ?? ""))
    throw error
  } finally {
    closeContext(context)
  }
}

/** The loop, with the dispatches of its first steps timed. Evaluations and checkpoints between these steps are among them. */
async function profiledLoop(
  context: OpContext,
  folder: RunFolder,
  inputs: RunInputs,
  loopWith: (watched: RunInputs) => TrainingLoop,
): Promise<LoopResult> {
  const profiler = new StepProfiler(context)
  try {
    const onProgress = (event: ProgressEvent) => {
      if (event._tag === "Step") profiler.countStep()
      inputs.onProgress?.(event)
    }
    const loop = loopWith({ ...inputs, onProgress })
    profiler.start()
    const result = await loop.toTheEnd()
    const profile = await profiler.finish()
    if (profile) {
      folder.writeJson("profile.json", profile)
      inputs.onProgress?.({ _tag: "Profiled", profile })
    }
    return result
  } finally {
    profiler.release()
  }
}

async function finish(
  folder: RunFolder,
  inputs: RunInputs,
  prepared: PreparedRun,
  result: LoopResult,
  gpu: GpuDevice,
): Promise<TrainReport> {
  if (result.state.updates === 0) throw new NothingTrained(result.state.step)
  const files = await writeArtefacts(folder, inputs.model, prepared.policy.trained!, prepared.adapter)
  const report = trainReport(inputs, prepared, result, { files, adapter: gpu.info.description })
  folder.write(CARD_FILE, trainingCard(inputs, report))
  folder.writeJson("report.json", report)
  return report
}

/** The report of a finished run. */
function trainReport(
  inputs: RunInputs,
  { config, train, baseEvaluation, ...prepared }: PreparedRun,
  { order, state, evaluation, ...loop }: LoopResult,
  { files, adapter }: Pick<TrainReport, "files" | "adapter">,
): TrainReport {
  // As pairs: KTO judges them as two rows each.
  const { heldOut } = inputs
  const near = nearDuplicates(promptsOf(inputs.train), promptsOf(heldOut)).filter(Boolean).length
  return {
    method: config.method,
    config,
    gamma: gammaOf(config),
    steps: order.stepCount,
    stepsDone: state.step,
    isStoppedEarly: state.isStoppedEarly,
    best: state.best && { ...state.best, isWritten: config.loadBestAtEnd || state.best.step === state.step },
    updates: state.updates,
    skippedSteps: state.skipped,
    resumedFromStep: loop.resumedFromStep,
    durationSeconds: loop.durationSeconds,
    tokens: state.totalTokens,
    tokensPerSecond: loop.tokensPerSecond,
    plannedBytes: prepared.plannedBytes,
    pairs: { train: train.length, heldOut: heldOut.length, nearDuplicates: near, dropped: prepared.dropped },
    data: inputs.dataDigest,
    reference: { source: prepared.referenceSource, digest: prepared.referenceDigest ?? null },
    selfTest: prepared.selfTest ?? null,
    model: { fingerprint: inputs.model.fingerprint, weights: inputs.model.weightsDigest },
    loss: { first: state.firstLoss, last: state.lastLoss },
    lastMetrics: loop.lastMetrics,
    heldOut: baseEvaluation && evaluation ? { before: baseEvaluation, after: evaluation } : null,
    adapter,
    files,
  }
}

function gammaOf({ beta, gammaBetaRatio }: TrainConfig): number | null {
  return beta === undefined || gammaBetaRatio === undefined ? null : beta * gammaBetaRatio
}
