// Turns a runner's evaluation into the numbers that the gates ask about, and finds the adapter that production serves now.
import { Effect } from "effect"
import { isDigest } from "#shared/domain/Files.ts"
import type { RunStep } from "#shared/domain/Run.ts"
import { canonicalJson } from "#shared/formats/digest.ts"
import { claimBlobs } from "#shared/wire/blob-claims.ts"
import { blobKey } from "#shared/wire/blobs.ts"
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
import { type HeldOutFacts, heldOutFacts } from "./held-out-facts.ts"
import { addHeldOut, evaluationFault, type HeldOutReference, leadsOf, measure, productionFault } from "./measure.ts"
import { call } from "./transient.ts"

const unusable = (detail: string) => new ResultUnusable({ message: `the evaluation cannot be used: ${detail}` })

/** The blob that an evaluation job's result names. */
export const evaluationIn = (result: JobResult): Effect.Effect<string, ResultUnusable> =>
  result.kind === "evaluate"
    ? Effect.succeed(result.evaluation)
    : Effect.fail(unusable(`the runner answered with ${result.kind}; update the runner`))

const readEvaluation = Effect.fnUntraced(function* (digest: string) {
  const bytes = yield* findBlob(digest)
  if (bytes === undefined) return yield* unusable(`its blob ${digest} was never uploaded`)
  return yield* Effect.mapError(decodeEvaluation(bytes), ({ message }) => unusable(message))
})

interface RunOf {
  readonly runId: string
  readonly datasetId: string
}

const evaluateAdapter = Effect.fnUntraced(function* (
  packDigest: string,
  result: JobResult,
  { settings, old }: HeldOutFacts,
) {
  const evaluation = yield* readEvaluation(yield* evaluationIn(result))
  const reference: HeldOutReference = { ids: [], pairs: [] }
  yield* eachShard(packDigest, (shard) => Effect.sync(() => addHeldOut(reference, shard)))
  const fault = evaluationFault(evaluation, reference)
  if (fault !== undefined) return yield* unusable(fault)
  const evaluated = measure(evaluation, reference, settings, old)
  return (
    evaluated ?? (yield* unusable("not one of its log-probs is finite: training diverged; lower the learning rate"))
  )
})

/** Numbers of what `result` evaluates, on the held-out pairs of the run's pack, by work settings and of old ones; noted in the run's row. */
export const evaluateCandidate = Effect.fn("evaluateCandidate")(function* (
  { runId, datasetId, next }: RunOf & { readonly next: RunStep },
  packDigest: string,
  result: JobResult,
) {
  const { DB } = yield* Bindings
  const facts = yield* call("look up held-out pairs", () => heldOutFacts(DB, datasetId, runId))
  const evaluated = yield* evaluateAdapter(packDigest, result, facts)
  const { nonFinite: _, ...detail } = evaluated
  yield* call("note the evaluation", () => recordStep(DB, runId, { step: "evaluate", detail, next }))
  return evaluated
})

/** The candidate's evaluation beside production's on the same pack. Blobs by digest. */
export const leadOverProduction = Effect.fn("leadOverProduction")(function* (
  { runId, datasetId }: RunOf,
  blobs: { readonly candidate: string; readonly production: string },
) {
  const { DB } = yield* Bindings
  const facts = yield* call("look up held-out pairs", () => heldOutFacts(DB, datasetId, runId))
  const candidate = yield* readEvaluation(blobs.candidate)
  const production = yield* readEvaluation(blobs.production)
  const fault = productionFault(candidate, production)
  if (fault !== undefined) return yield* unusable(`that of production: ${fault}`)
  return leadsOf(candidate, production, facts)
})

/** Whether an evaluation of before is stored still, and will be for as long as this run looks at it. */
const isStill = Effect.fnUntraced(function* (digest: string) {
  const { BLOBS, DB } = yield* Bindings
  return yield* call("look for production's evaluation", async () => {
    const isClaimed = await claimBlobs(DB, [digest], { nowMs: Date.now() })
    return isClaimed && (await BLOBS.head(blobKey(digest))) !== null
  })
})

/** What production serves under the run's model name, and how its log-probs on this pack can be had. */
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
  const { evaluation } = metrics
  const isMeasured = metrics.pack === pack.digest && isDigest(evaluation) && (yield* isStill(evaluation))
  return {
    version,
    compare: isMeasured
      ? { kind: "measured", evaluation }
      : { kind: "to-measure", ...(kind === "finetune" ? { model: files } : { adapter: files }), ...heldAs(metrics) },
  } satisfies Champion
})
