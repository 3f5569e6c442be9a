// A judge job: log-probs of responses under a model that was trained on what people prefer, and under its base, uploaded as answer-scores.ts.
import { Effect } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import { readAdapterFolder, readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { scoreAnswers } from "#gpu-runner/trainer/results/score-answers.ts"
import { checkFits } from "#gpu-runner/trainer/results/scorer.ts"
import type { Files } from "#shared/domain/Files.ts"
import type { HubSource } from "#shared/domain/Model.ts"
import { encodeAnswerScores } from "#shared/wire/answer-scores.ts"
import type { JudgeJob, JudgeResult } from "#shared/wire/job.ts"
import { cachedFolder, cachedModelFolder } from "./blob-cache.ts"
import { judgedResponses } from "./cached-suite.ts"
import { type JobContext, type JobExecutor, uploadArtefact } from "./job-context.ts"
import { attempt } from "./job-failure.ts"
import { modelAhead } from "./model-ahead.ts"

/** The folder of a model that this device can hold; one that it cannot is refused before its weights are fetched. */
const fittingFolder = Effect.fnUntraced(function* (
  executor: JobExecutor,
  { baseWeights }: JudgeJob,
  files: Files,
  source?: HubSource,
) {
  const ahead = yield* whenReachable(modelAhead(executor, files, source))
  if (ahead !== undefined) yield* attempt(async () => checkFits(await executor.device(), { model: ahead, baseWeights }))
  return yield* whenReachable(cachedModelFolder(executor, files, source))
})

export const judgeJob = Effect.fn("judgeJob")(function* (executor: JobExecutor, context: JobContext, spec: JudgeJob) {
  const { base, baseSource, adapter, model, baseWeights, precision, readsReference } = spec
  const answers = yield* judgedResponses(executor, spec)
  const baseDir =
    model !== undefined && !readsReference ? undefined : yield* fittingFolder(executor, spec, base, baseSource)
  const modelDir = model === undefined ? undefined : yield* fittingFolder(executor, spec, model)
  const adapterDir = adapter === undefined ? undefined : yield* whenReachable(cachedFolder(executor, adapter))
  const { signal } = context
  const scores = yield* attempt(async () => {
    const held = { baseWeights, precision }
    const reference = baseDir === undefined ? undefined : await readModelFolder(baseDir, undefined, base)
    const judge = modelDir === undefined ? reference! : await readModelFolder(modelDir, undefined, model)
    const adapted = adapterDir === undefined ? undefined : readAdapterFolder(adapterDir, judge)
    return scoreAnswers({
      ...{ gpu: await executor.device(), signal, ...answers },
      judge: { model: judge, adapter: adapted?.adapter, ...held },
      reference: readsReference ? { model: reference!, adapter: undefined, ...held } : undefined,
      onScored: (step, steps) => context.onProgress({ step, steps, message: "answers scored" }),
    })
  })
  return { kind: "judge", scores: yield* uploadArtefact(context, encodeAnswerScores(scores)) } satisfies JudgeResult
})
