// `yohaku runner`: joins a fleet. It dials out to the gateway, leases jobs and does them until it is stopped.
import { randomUUID } from "node:crypto"
import { existsSync, readFileSync, statSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { OnAway } from "#gpu-runner/client/call-failure.ts"
import { writeFileAtomically } from "#gpu-runner/data/files.ts"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { executeJob } from "#gpu-runner/fleet/execute-job.ts"
import { FetchProgress, progressInWords } from "#gpu-runner/fleet/fetch-progress.ts"
import { layerHttp } from "#gpu-runner/fleet/http-runner-api.ts"
import type { JobExecutor } from "#gpu-runner/fleet/job-context.ts"
import type { JobFailed } from "#gpu-runner/fleet/job-failure.ts"
import { OwnModels } from "#gpu-runner/fleet/own-models.ts"
import { pruneCache } from "#gpu-runner/fleet/prune-cache.ts"
import type { JobCallFailure, RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import { type RunnerEvent, runnerLoop } from "#gpu-runner/fleet/runner-loop.ts"
import { byteSize } from "#gpu-runner/trainer/quantities.ts"
import { untilRoom } from "#infra/local/room.ts"
import { lockState, StateInUse } from "#infra/local/state-lock.ts"
import type { JobResult } from "#shared/wire/job.ts"
import { awayNotes } from "../away-notes.ts"
import { defineCommand, UsageError } from "../command.ts"
import { gatewayKey, gatewayUrl, urlOption, withKey } from "../gateway-access.ts"
import { judgeKey } from "../judge/judge-key.ts"
import { positiveIntegerOf, text } from "../options.ts"
import { createProgress, type Progress } from "../progress.ts"
import { withReopenedDevice } from "../with-device.ts"

type Failure = JobFailed | JobCallFailure

/** Models of a few families, and the packs of their runs. */
const DEFAULT_CACHE_GIB = 64

export const command = defineCommand({
  name: "runner",
  summary: "Joins a fleet: leases training, scoring and evaluation jobs from a gateway and does them.",
  details:
    "The key comes from YOHAKU_RUNNER_TOKEN: an API key with the scope `runner`. A runner that was killed takes its job up again\n" +
    "from its last checkpoint when it is started with the same --directory. Ctrl-C stops it. Evaluations whose judge is behind an endpoint are\n" +
    "judged by runners that know it: YOHAKU_JUDGE_URL is its address up to /v1, YOHAKU_JUDGE_KEY its key.",
  options: {
    url: urlOption,
    directory: text("DIR", "where models and unfinished jobs are kept (.yohaku/runner)"),
    models: text("DIR", "a folder with models: what a job needs of them is found there by digest, and not fetched"),
    "cache-gib": text("N", `most GiB of models and packs that are kept between jobs (${DEFAULT_CACHE_GIB})`),
    jobs: text("N", "ends after N jobs; otherwise it goes on until it is stopped"),
  },
  run: async (values, terminal) => {
    const url = gatewayUrl(values.url)
    const token = gatewayKey("YOHAKU_RUNNER_TOKEN", "runner")
    const directory = path.resolve(values.directory ?? ".yohaku/runner")
    const judge = judgeOf(process.env)
    const progress = createProgress()
    const ownModels = ownModelsOf(values.models, directory, progress.note)
    const cacheBytes = 2 ** 30 * positiveIntegerOf("cache-gib", values["cache-gib"] ?? String(DEFAULT_CACHE_GIB))
    lockDirectory(directory)
    const id = runnerId(directory)
    progress.note(`runner ${id}, in ${directory}`)
    const done: unknown[] = []
    const show = showEvents(progress, (event) => done.push(event))
    const stop = new AbortController()
    let isPruned = false
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort())
    await withReopenedDevice(async (device) => {
      const gpu = await device()
      const loop = runnerLoop({
        runnerId: id,
        adapter: `${gpu.info.description} (${gpu.info.backend})`,
        execute: (context) =>
          Effect.provideService(
            Effect.suspend<JobResult, Failure, RunnerApi>(() =>
              executeJob({ directory, device, ownModels, judge }, context),
            ),
            FetchProgress,
            progressInWords(context.onProgress),
          ),
        onEvent: (event) => {
          if (event._tag === "Started") isPruned = false
          show(event)
        },
        // Otherwise a full disk would use up a job's attempts, one after the other.
        whenFit: Effect.promise((signal) => {
          if (!isPruned) prune(directory, cacheBytes, progress.note)
          isPruned = true
          return untilRoom(directory, progress.note, signal)
        }),
        ...(values.jobs === undefined ? {} : { jobs: positiveIntegerOf("jobs", values.jobs) }),
      })
      try {
        const connected = loop.pipe(
          Effect.provide(layerHttp({ url, token })),
          Effect.provideService(OnAway, awayNotes(url, progress.note)),
        )
        const work = Effect.runPromise(connected, { signal: stop.signal })
        await withKey("YOHAKU_RUNNER_TOKEN", "runner", work)
      } catch (error) {
        if (!stop.signal.aborted) throw error
      }
    }, progress.clear)
    terminal.answer({ jobs: done }, () => `${done.length} jobs done`)
  },
})

/** The endpoint that this runner may ask; a key without one goes nowhere. Throws UsageError. */
function judgeOf(environment: NodeJS.ProcessEnv): JobExecutor["judge"] {
  const { YOHAKU_JUDGE_URL: url } = environment
  return url ? { url: gatewayUrl(url, "YOHAKU_JUDGE_URL"), apiKey: judgeKey(environment) } : undefined
}

/** Between two jobs. */
function prune(directory: string, mostBytes: number, say: (line: string) => void): void {
  const bytes = pruneCache(directory, mostBytes)
  if (bytes > 0) say(`${byteSize(bytes)} of models and packs removed, those used longest ago (--cache-gib)`)
}

function ownModelsOf(
  folder: string | undefined,
  directory: string,
  say: (line: string) => void,
): OwnModels | undefined {
  if (folder === undefined) return undefined
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new UsageError(`--models ${folder} is no folder; give one that holds model folders`)
  return new OwnModels(folder, path.join(directory, "own-models.json"), say)
}

/** Two runners of one directory would be one runner to the gateway, and write each other's files. Throws UsageError. */
function lockDirectory(directory: string): void {
  try {
    lockState(directory, 0)
  } catch (error) {
    if (!(error instanceof StateInUse)) throw error
    throw new UsageError(
      `a runner with the directory ${directory} runs already: process ${error.pid}; end it, or give this one another --directory`,
    )
  }
}

/** Stays the same for a directory: the pool gives a restarted runner its unfinished job back at once. */
function runnerId(directory: string): string {
  const file = path.join(directory, "runner-id")
  if (!existsSync(file)) {
    makeFolder(directory)
    writeFileAtomically(file, `${os.hostname()}-${randomUUID()}`)
  }
  return readFileSync(file, "utf8").trim()
}

function showEvents(progress: Progress, onFinished: (event: object) => void): (event: RunnerEvent) => void {
  return (event) => {
    if (event._tag === "Waiting") progress.note("waiting for a job")
    else if (event._tag === "Progress") {
      const { step, steps, message } = event.progress
      const text = [...(steps === 0 ? [] : [`step ${step}/${steps}`]), ...(message === undefined ? [] : [message])]
      progress.show(text.join(": "), steps > 0 && step === steps)
    } else {
      const { job } = event
      const name = `${job.spec.kind} job ${job.jobId} (run ${job.spec.runId}, attempt ${job.attempt})`
      if (event._tag === "Failed") progress.note(`${name} failed: ${event.message}`)
      else if (event._tag === "GivenBack")
        progress.note(`${name} given back for another runner, which counts as no attempt: ${event.message}`)
      else progress.note(`${name} ${event._tag === "Started" ? "started" : "done"}`)
      if (event._tag === "Finished") onFinished({ jobId: job.jobId, runId: job.spec.runId, kind: job.spec.kind })
    }
  }
}
