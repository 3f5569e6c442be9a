// Does one leased job: fetches its files, trains or evaluates, uploads what came of it.
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs"
import path from "node:path"
import { Effect, Result } from "effect"
import { readWholeFile } from "#gpu-runner/data/files.ts"
import type { GpuDevice } from "#gpu-runner/device/open-device.ts"
import type { ProgressEvent } from "#gpu-runner/trainer/run/run-inputs.ts"
import { evaluatePack, trainOnPack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import type { Files } from "#shared/domain/Files.ts"
import { unservableConfig } from "#shared/domain/servable-config.ts"
import { decodeTrainConfig } from "#shared/domain/TrainConfig.ts"
import { encodeEvaluation } from "#shared/wire/evaluation.ts"
import { ADAPTER_FILES, type EvaluateJob, type JobResult, type TrainJob } from "#shared/wire/job.ts"
import { cachedBlobBytes, cachedFolder } from "./blob-cache.ts"
import { RunnerApi } from "./RunnerApi.ts"
import { type JobContext, JobFailed, whenReachable } from "./runner-loop.ts"

const KEPT_JOB_FOLDERS = 3

export interface JobExecutor {
  /** Where blobs, model folders and unfinished jobs are kept. */
  readonly directory: string
  /** Opened again after the device was lost. */
  readonly device: () => Promise<GpuDevice>
}

/**
 * A lost device or a full disk may pass, and so may an earlier attempt at the same job, still at its last step after its lease was lost;
 * what the data or the configuration causes will not.
 */
const RETRYABLE = new Set(["DeviceLost", "DeviceUnreliable", "GpuOutOfMemory", "FolderInUse"])

const toJobFailed = (cause: unknown): JobFailed => {
  const tag = (cause as { readonly _tag?: unknown } | null)?._tag
  const message = cause instanceof Error ? cause.message : String(cause)
  return new JobFailed(message, { retryable: typeof tag !== "string" || RETRYABLE.has(tag), cause })
}

const attempt = <A>(body: () => Promise<A>): Effect.Effect<A, JobFailed> =>
  Effect.tryPromise({ try: body, catch: toJobFailed })

const fetched = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  whenReachable(effect)

/** The ONNX twin is for the edge; a runner computes from the safetensors. */
const modelFolder = (directory: string, base: Files) =>
  fetched(cachedFolder(directory, base, (name) => !name.endsWith(".onnx")))

/** Folders of jobs long finished make room; the newest stay, for a job that must go on where it was. */
const pruneJobFolders = (folder: string): void => {
  mkdirSync(folder, { recursive: true })
  const byAge = readdirSync(folder)
    .map((name) => ({ name, changedMs: statSync(path.join(folder, name)).mtimeMs }))
    .sort((left, right) => right.changedMs - left.changedMs)
  for (const { name } of byAge.slice(KEPT_JOB_FOLDERS))
    rmSync(path.join(folder, name), { recursive: true, force: true })
}

const showTraining =
  ({ onProgress, onMetrics }: JobContext) =>
  (event: ProgressEvent): void => {
    if (event._tag !== "Step") return
    const { step, steps, metrics } = event
    onMetrics(step, metrics as unknown as Readonly<Record<string, unknown>>)
    onProgress({ step, steps, message: `loss ${Number(metrics.loss).toFixed(4)}` })
  }

const upload = Effect.fn("upload")(function* ({ job }: JobContext, bytes: Uint8Array) {
  const api = yield* RunnerApi
  return yield* whenReachable(api.upload(job, bytes))
})

const train = Effect.fn("train")(function* (executor: JobExecutor, context: JobContext, spec: TrainJob) {
  const decoded = decodeTrainConfig(spec.config)
  if (Result.isFailure(decoded)) return yield* Effect.fail(new JobFailed(decoded.failure.message, { retryable: false }))
  const unservable = unservableConfig(decoded.success)
  if (unservable !== undefined) return yield* Effect.fail(new JobFailed(unservable, { retryable: false }))
  const modelDir = yield* modelFolder(executor.directory, spec.base)
  const pack = yield* fetched(cachedBlobBytes(executor.directory, spec.pack))
  const jobs = path.join(executor.directory, "jobs")
  pruneJobFolders(jobs)
  const outDir = path.join(jobs, context.job.jobId.replaceAll(/[^A-Za-z0-9._-]/g, "_"))
  const report = yield* attempt(async () =>
    trainOnPack({
      gpu: executor.device,
      modelDir,
      baseModel: spec.baseModel ?? `sha256:${spec.base["model.safetensors"]}`,
      pack,
      config: decoded.success,
      outDir,
      resume: true,
      onProgress: showTraining(context),
      signal: context.signal,
    }),
  )
  const adapter: Record<string, string> = {}
  for (const name of ADAPTER_FILES) adapter[name] = yield* upload(context, readWholeFile(path.join(outDir, name)))
  return { kind: "train", adapter, report: report as unknown as Readonly<Record<string, unknown>> } satisfies JobResult
})

const evaluate = Effect.fn("evaluate")(function* (executor: JobExecutor, context: JobContext, spec: EvaluateJob) {
  const modelDir = yield* modelFolder(executor.directory, spec.base)
  const adapterDir = yield* fetched(cachedFolder(executor.directory, spec.adapter))
  const pack = yield* fetched(cachedBlobBytes(executor.directory, spec.pack))
  const scores = yield* attempt(async () =>
    evaluatePack({
      gpu: await executor.device(),
      modelDir,
      adapterDir,
      pack,
      split: spec.split,
      signal: context.signal,
    }),
  )
  return { kind: "evaluate", evaluation: yield* upload(context, encodeEvaluation(scores)) } satisfies JobResult
})

/** Does the job of `context`. Fails with JobFailed, or with what the gateway says. */
export const executeJob = (executor: JobExecutor, context: JobContext) => {
  const { spec } = context.job
  return spec.kind === "train" ? train(executor, context, spec) : evaluate(executor, context, spec)
}
