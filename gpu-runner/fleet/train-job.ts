// A training job: its files fetched, trained on through device losses, what came of it uploaded: an adapter, or a whole model.
import { statSync } from "node:fs"
import path from "node:path"
import { Effect, Result } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import type { SentFile } from "#gpu-runner/client/push-file.ts"
import { fileDigest, sha256 } from "#gpu-runner/data/files.ts"
import { type ModelFile, modelFiles } from "#gpu-runner/data/model/model-files.ts"
import { describeMemory } from "#gpu-runner/trainer/plan/memory-forecast.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"
import type { TrainReport } from "#gpu-runner/trainer/results/artefacts.ts"
import type { ProgressEvent } from "#gpu-runner/trainer/run/run-inputs.ts"
import { type PackRun, planOnPack, trainOnPack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import { unservableConfig } from "#shared/domain/servable-config.ts"
import { decodeTrainConfig, type TrainConfig } from "#shared/domain/TrainConfig.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { ADAPTER_FILES, type TrainJob, type TrainResult } from "#shared/wire/job.ts"
import { cachedFolder, cachedModelFolder, keepAsBlob } from "./blob-cache.ts"
import { cachedPack } from "./cached-pack.ts"
import { type JobContext, type JobExecutor, uploadFile } from "./job-context.ts"
import { attempt, JobFailed } from "./job-failure.ts"
import { jobFolder } from "./job-folders.ts"
import { keptMetrics } from "./kept-metrics.ts"
import { modelAhead } from "./model-ahead.ts"

const configOf = (written: TrainJob["config"]): Effect.Effect<TrainConfig, JobFailed> => {
  const decoded = decodeTrainConfig(written)
  const fault = Result.isFailure(decoded) ? decoded.failure.message : unservableConfig(decoded.success)
  return Result.isFailure(decoded) || fault !== undefined
    ? Effect.fail(new JobFailed(fault!, { retryable: false }))
    : Effect.succeed(decoded.success)
}

const showTraining =
  ({ onProgress, onMetrics }: JobContext) =>
  (event: ProgressEvent): void => {
    if (event._tag !== "Step") return
    const { step, steps, metrics } = event
    onMetrics(step, metrics as unknown as Readonly<Record<string, unknown>>)
    onProgress({ step, steps, message: `loss ${Number(metrics.loss).toFixed(4)}` })
  }

/** What this device cannot hold is refused before its weights are fetched. */
const planAhead = Effect.fnUntraced(function* (
  executor: JobExecutor,
  { onProgress }: JobContext,
  { base, baseSource }: TrainJob,
  run: Omit<PackRun, "gpu" | "modelDir">,
) {
  const model = yield* whenReachable(modelAhead(executor, base, baseSource))
  if (model === undefined) return
  const forecast = yield* attempt(async () => planOnPack(await executor.device(), run, model))
  onProgress({ step: 0, steps: 0, message: describeMemory(forecast) })
})

const adapterFiles = (folder: string): readonly ModelFile[] =>
  ADAPTER_FILES.map((name) => {
    const file = path.join(folder, name)
    return { name, path: file, bytes: statSync(file).size }
  })

/** The digest of a file that is read piece by piece, where the trainer did not keep it while writing. */
const digested = (file: ModelFile, { files }: TrainReport): SentFile => ({
  ...file,
  digest: files[file.name] ?? fileDigest(file.path),
})

/** File name -> digest of what is stored then. */
const uploadAll = Effect.fnUntraced(function* (
  { directory }: JobExecutor,
  context: JobContext,
  files: readonly ModelFile[],
  report: TrainReport,
) {
  const { stepsDone: step, steps } = report
  const made: Record<string, string> = {}
  for (const file of files) {
    const sent = digested(file, report)
    yield* uploadFile(context, sent, (thereBytes) =>
      context.onProgress({
        step,
        steps,
        message: `sending ${file.name}: ${byteSize(thereBytes)} of ${byteSize(file.bytes)}`,
      }),
    )
    yield* attempt(async () => keepAsBlob(directory, sent.digest, file.path))
    made[file.name] = sent.digest
  }
  return made
})

export const trainJob = Effect.fn("trainJob")(function* (executor: JobExecutor, context: JobContext, spec: TrainJob) {
  const config = yield* configOf(spec.config)
  const adapterDir = spec.startFrom && (yield* whenReachable(cachedFolder(executor, spec.startFrom)))
  const pack = yield* cachedPack(executor.directory, spec.pack)
  const outDir = jobFolder(executor.directory, context.job.jobId)
  const { maxLength, mostSteps } = spec
  const baseModel = spec.baseModel ?? `sha256:${sha256(canonicalJson(spec.base))}`
  const run = { baseModel, adapterDir, pack, config, outDir, maxLength, mostSteps }
  yield* planAhead(executor, context, spec, run)
  const modelDir = yield* whenReachable(cachedModelFolder(executor, spec.base, spec.baseSource))
  for (const { step, metrics } of keptMetrics(outDir)) context.onMetrics(step, metrics)
  const { signal } = context
  const report = yield* attempt(() =>
    trainOnPack({
      ...{ gpu: executor.device, modelDir, modelFiles: spec.base, ...run, resume: true, signal },
      onProgress: showTraining(context),
    }),
  )
  const isFull = config.loraRank === 0 && spec.startFrom === undefined
  const files = yield* attempt(async () => (isFull ? modelFiles(outDir) : adapterFiles(outDir)))
  const made = yield* uploadAll(executor, context, files, report)
  const result: TrainResult = {
    kind: "train",
    ...(isFull ? { model: made } : { adapter: made }),
    report: report as unknown as Readonly<Record<string, unknown>>,
  }
  return result
})
