// An evaluation job: log-probs of an adapter, or of a whole model, over a pack's split, and where it is asked for how it behaves beside its base,
// uploaded as one `Evaluation`.
import { Effect } from "effect"
import { whenReachable } from "#gpu-runner/client/call-failure.ts"
import { checkFits } from "#gpu-runner/trainer/results/scorer.ts"
import { evaluatePack } from "#gpu-runner/trainer/run/train-on-pack.ts"
import { encodeEvaluation } from "#shared/wire/evaluation.ts"
import type { EvaluateJob, EvaluateResult } from "#shared/wire/job.ts"
import { behaviourOnPack } from "./behaviour.ts"
import { cachedFolder, cachedModelFolder } from "./blob-cache.ts"
import { cachedPack } from "./cached-pack.ts"
import { type JobContext, type JobExecutor, uploadArtefact } from "./job-context.ts"
import { attempt } from "./job-failure.ts"
import { modelAhead } from "./model-ahead.ts"

export const evaluateJob = Effect.fn("evaluateJob")(function* (
  executor: JobExecutor,
  context: JobContext,
  { base, baseSource, adapter, model, pack, split, baseWeights, precision, behaviour }: EvaluateJob,
) {
  const [files, source] = model === undefined ? [base, baseSource] : [model, undefined]
  const ahead = yield* whenReachable(modelAhead(executor, files, source))
  if (ahead !== undefined) yield* attempt(async () => checkFits(await executor.device(), { model: ahead, baseWeights }))
  const modelDir = yield* whenReachable(cachedModelFolder(executor, files, source))
  const adapterDir = adapter === undefined ? undefined : yield* whenReachable(cachedFolder(executor, adapter))
  const manifest = yield* cachedPack(executor.directory, pack)
  const isCompared = behaviour !== undefined && model !== undefined
  const baseDir = isCompared ? yield* whenReachable(cachedModelFolder(executor, base, baseSource)) : undefined
  const scores = yield* attempt(async () => {
    const judged = {
      gpu: await executor.device(),
      modelDir,
      modelFiles: files,
      adapterDir,
      ...{ baseWeights, precision },
      pack: manifest,
      signal: context.signal,
    }
    const evaluation = await evaluatePack({ ...judged, split })
    if (behaviour === undefined) return evaluation
    const { isNearDuplicate } = evaluation
    const ofBase = { baseDir, baseFiles: baseDir === undefined ? undefined : base }
    const onAnswered = (step: number, steps: number, tokens: number) =>
      context.onProgress({ step, steps, message: `held-out prompts answered, ${tokens} tokens` })
    const asked = { ...judged, ...ofBase, ...behaviour, isNearDuplicate, onAnswered }
    return { ...evaluation, ...(await behaviourOnPack(asked)) }
  })
  const result: EvaluateResult = {
    kind: "evaluate",
    evaluation: yield* uploadArtefact(context, encodeEvaluation(scores)),
  }
  return result
})
