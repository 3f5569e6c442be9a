// A score job: reference log-probs of a pack's pairs, handed in while they are computed. A runner that is killed loses what it had not handed
// in, some seconds' work or a call's worth; whoever takes the job up goes on behind what arrived.
import { Effect, Fiber } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import { type PackScoring, scorePack } from "#gpu-runner/trainer/results/score-pack.ts"
import { checkFits } from "#gpu-runner/trainer/results/scorer.ts"
import { computedWith } from "#shared/formats/weights/reference-precision.ts"
import type { ScoreJob, ScoreResult } from "#shared/wire/job.ts"
import { cachedModelFolder } from "./blob-cache.ts"
import { cachedPack } from "./cached-pack.ts"
import type { JobContext, JobExecutor } from "./job-context.ts"
import { attempt } from "./job-failure.ts"
import { modelAhead } from "./model-ahead.ts"
import { PendingScores, type ScoresCall } from "./pending-scores.ts"
import { type JobCallFailure, RunnerApi } from "./RunnerApi.ts"

/** One call at a time is under way, while the device goes on with the next pairs. */
const scoreAndHandIn = Effect.fnUntraced(function* (context: JobContext, pairs: number, scoring: PackScoring) {
  const api = yield* RunnerApi
  const pending = new PendingScores(scoring.from)
  const groups = scorePack(scoring)
  let underWay: Fiber.Fiber<void, JobCallFailure> = yield* Effect.forkChild(Effect.void)
  const handIn = Effect.fnUntraced(function* (calls: Iterable<ScoresCall>) {
    for (const { from, bytes } of calls) {
      yield* Fiber.join(underWay)
      underWay = yield* Effect.forkChild(whenReachable(api.scores(context.job, from, bytes)))
    }
  })
  const work = Effect.gen(function* () {
    for (let scored = scoring.from; ; ) {
      const next = yield* attempt(() => groups.next())
      if (next.done === true) break
      const { scores } = next.value
      pending.add(scores)
      scored += scores.length
      context.onProgress({ step: scored, steps: pairs, message: "pairs scored" })
      yield* handIn(pending.due())
    }
    yield* handIn(pending.rest())
    yield* Fiber.join(underWay)
  })
  // The model leaves the device before anything else begins.
  yield* Effect.ensuring(
    work,
    Effect.promise(() => groups.return(undefined).catch(() => undefined)),
  )
})

export const scoreJob = Effect.fn("scoreJob")(function* (executor: JobExecutor, context: JobContext, spec: ScoreJob) {
  const { base, baseSource, precision, reference, pairs } = spec
  const from = context.job.scored ?? 0
  // Whoever scored the last of them ended before saying so: neither weights nor a device are needed for that.
  if (from >= pairs) return { kind: "score" } satisfies ScoreResult
  const gpu = yield* attempt(() => executor.device())
  const ahead = yield* whenReachable(modelAhead(executor, base, baseSource))
  if (ahead !== undefined) yield* attempt(async () => checkFits(gpu, { model: ahead, ...computedWith(precision) }))
  const modelDir = yield* whenReachable(cachedModelFolder(executor, base, baseSource))
  const pack = yield* cachedPack(executor.directory, spec.pack)
  const { signal } = context
  const scoring = { ...{ gpu, modelDir, modelFiles: base, pack, precision, reference, signal }, from }
  yield* scoreAndHandIn(context, pairs, scoring)
  return { kind: "score" } satisfies ScoreResult
})
