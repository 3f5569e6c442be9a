// Turns a runner's evaluation into the numbers that the gates ask about, and finds the adapter that production serves now.
import { Effect } from "effect"
import type { RunStep } from "#shared/domain/Run.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { decodeEvaluation } from "#shared/wire/evaluation.ts"
import { filesOfMade, heldAs, type JobResult } from "#shared/wire/job.ts"
import {
  type Champion,
  ResultUnusable,
  type RetrainPayload,
  type StoredPack,
  type Trained,
} from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { recordStep } from "../runs/run-rows.ts"
import { eachShard, findBlob } from "./blobs.ts"
import { addHeldOut, evaluationFault, type HeldOutReference, measure, type Settings } from "./measure.ts"
import { settingsOf } from "./settings-of-pairs.ts"
import { call } from "./transient.ts"

const unusable = (detail: string) => new ResultUnusable({ message: `the evaluation cannot be used: ${detail}` })

const readEvaluation = Effect.fnUntraced(function* (result: JobResult) {
  if (result.kind !== "evaluate") return yield* unusable(`the runner answered with ${result.kind}; update the runner`)
  const bytes = yield* findBlob(result.evaluation)
  if (bytes === undefined) return yield* unusable(`its blob ${result.evaluation} was never uploaded`)
  return yield* Effect.mapError(decodeEvaluation(bytes), ({ message }) => unusable(message))
})

/** Numbers of what `result` evaluates, on the held-out pairs of the run's pack; by work settings, where they are asked for. */
export const evaluateAdapter = Effect.fn("evaluateAdapter")(function* (
  packDigest: string,
  result: JobResult,
  settings?: Settings,
) {
  const evaluation = yield* readEvaluation(result)
  const reference: HeldOutReference = { ids: [], pairs: [] }
  yield* eachShard(packDigest, (shard) => Effect.sync(() => addHeldOut(reference, shard)))
  const fault = evaluationFault(evaluation, reference)
  if (fault !== undefined) return yield* unusable(fault)
  const evaluated = measure(evaluation, reference, settings)
  return (
    evaluated ?? (yield* unusable("not one of its log-probs is finite: training diverged; lower the learning rate"))
  )
})

/** As `evaluateAdapter`, noted in the run's row. */
export const evaluateCandidate = Effect.fn("evaluateCandidate")(function* (
  { runId, datasetId, next }: { readonly runId: string; readonly datasetId: string; readonly next: RunStep },
  packDigest: string,
  result: JobResult,
) {
  const { DB } = yield* Bindings
  const settings = yield* call("look up work settings", () => settingsOf(DB, datasetId))
  const evaluated = yield* evaluateAdapter(packDigest, result, settings)
  const { nonFinite: _, ...detail } = evaluated
  yield* call("note the evaluation", () => recordStep(DB, runId, { step: "evaluate", detail, next }))
  return evaluated
})

/** What production serves under the run's model name, and how its accuracy on this pack can be had. */
export const findChampion = Effect.fn("findChampion")(function* (
  payload: RetrainPayload,
  pack: StoredPack,
  trained: Trained,
) {
  const { REGISTRY } = yield* Bindings
  const registry = REGISTRY.getByName(payload.modelName)
  const production = yield* call("ask what production serves", async () => {
    const pointer = (await registry.channels(payload.modelName)).find(({ channel }) => channel === "production")
    return pointer === undefined ? null : await registry.version(pointer.version)
  })
  if (production === null) return { version: null } satisfies Champion
  const { version, kind, base, files, metrics } = production
  const isSameBase = base?.name === payload.base.name && base.version === payload.base.version
  if (!isSameBase || canonicalJson(files) === canonicalJson(filesOfMade(trained))) return { version } satisfies Champion
  const { gateAccuracy } = metrics
  return {
    version,
    compare:
      metrics.pack === pack.digest && typeof gateAccuracy === "number"
        ? { kind: "measured", accuracy: gateAccuracy }
        : { kind: "to-measure", ...(kind === "finetune" ? { model: files } : { adapter: files }), ...heldAs(metrics) },
  } satisfies Champion
})
