// A training job: its files fetched, trained on through device losses, the adapter uploaded.
import path from "node:path"
import { Effect, Result } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import { readWholeFile, sha256 } from "#gpu-runner/data/files.ts"
import type { ProgressEvent } from "#gpu-runner/trainer/run/run-inputs.ts"
import { trainOnPack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import { unservableConfig } from "#shared/domain/servable-config.ts"
import { decodeTrainConfig, type TrainConfig } from "#shared/domain/TrainConfig.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { ADAPTER_FILES, type TrainJob, type TrainResult } from "#shared/wire/job.ts"
import { cachedModelFolder } from "./blob-cache.ts"
import { cachedPack } from "./cached-pack.ts"
import { type JobContext, type JobExecutor, uploadArtefact } from "./job-context.ts"
import { attempt, JobFailed } from "./job-failure.ts"
import { jobFolder } from "./job-folders.ts"
import { keptMetrics } from "./kept-metrics.ts"

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

export const trainJob = Effect.fn("trainJob")(function* (executor: JobExecutor, context: JobContext, spec: TrainJob) {
  const config = yield* configOf(spec.config)
  const modelDir = yield* whenReachable(cachedModelFolder(executor, spec.base, spec.baseSource))
  const pack = yield* cachedPack(executor.directory, spec.pack)
  const outDir = jobFolder(executor.directory, context.job.jobId)
  for (const { step, metrics } of keptMetrics(outDir)) context.onMetrics(step, metrics)
  const report = yield* attempt(() =>
    trainOnPack({
      gpu: executor.device,
      modelDir,
      baseModel: spec.baseModel ?? `sha256:${sha256(canonicalJson(spec.base))}`,
      pack,
      config,
      outDir,
      resume: true,
      maxLength: spec.maxLength,
      mostSteps: spec.mostSteps,
      onProgress: showTraining(context),
      signal: context.signal,
    }),
  )
  const adapter: Record<string, string> = {}
  for (const name of ADAPTER_FILES) {
    adapter[name] = yield* uploadArtefact(context, readWholeFile(path.join(outDir, name)))
  }
  const result: TrainResult = {
    kind: "train",
    adapter,
    report: report as unknown as Readonly<Record<string, unknown>>,
  }
  return result
})
