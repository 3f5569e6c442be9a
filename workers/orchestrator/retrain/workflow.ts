// Retrain, top to bottom: snapshot → score → pack → train → evaluate → (compare) → promote. Everything that touches the world is an
// activity; what stands between them is replayed and must come out the same.
import { Effect } from "effect"
import { Activity } from "effect/workflow"
import { type EvaluateJob, heldAs, type Judged } from "#shared/wire/job.ts"
import {
  type Champion,
  type Evaluated,
  ModelRefused,
  type PackPart,
  Retrain,
  RetrainActivities,
  type RetrainPayload,
  type ScoreCounts,
  type Snapshot,
  type StoredPack,
  type Trained,
} from "#shared/workflows/retrain.ts"
import { durableSleep } from "../engine/durable-sleep.ts"
import { compareCandidate } from "./compare-candidate.ts"
import { evaluateCandidate, evaluationIn, findChampion, leadOverProduction } from "./evaluate.ts"
import { PAGES_PER_EVENT, PAIRS_PER_PAGE } from "./frozen-pairs.ts"
import { probesOf } from "./gates.ts"
import { awaitJob, postJob } from "./jobs.ts"
import { buildPackPart, SCORING_ROUNDS, stillLacking, storeManifest } from "./pack.ts"
import { promoteCandidate } from "./promote.ts"
import { addCounts, PAIRS_PER_GROUP, scoreGroup } from "./score.ts"
import { isScoredByRunners, scoreLacking, scoreOnRunners } from "./score-on-runners.ts"
import { takeSnapshot } from "./snapshot.ts"
import { acceptTrained } from "./train.ts"

/** Scoring is slow and an alarm's event lasts at most 15 minutes. */
const GROUPS_PER_EVENT = 4
const PROMOTION_ROUNDS = 5

const countOf = (pairs: number, size: number): number => Math.ceil(pairs / size)
const pairsOf = ({ trainPairs, heldOutPairs }: Snapshot): number => trainPairs + heldOutPairs

/** A short durable sleep ends the event: what follows runs in the next one, with fresh limits. */
const nextEvent = (name: string) => durableSleep(name, 1)

const score = Effect.fnUntraced(function* (payload: RetrainPayload, runId: string, snapshot: Snapshot) {
  if (isScoredByRunners(payload)) return yield* scoreOnRunners(payload, runId, snapshot)
  let counts: ScoreCounts = { computed: 0, fromCache: 0 }
  for (let index = 0; index < countOf(pairsOf(snapshot), PAIRS_PER_GROUP); index++) {
    if (index > 0 && index % GROUPS_PER_EVENT === 0) yield* nextEvent(`score/${index}`)
    const scored = yield* Activity.make({
      name: `score/${index}`,
      ...RetrainActivities.score,
      execute: scoreGroup(runId, snapshot.digest, index, counts),
    })
    counts = addCounts(counts, scored)
  }
})

/** A page as shards. What lacks log-probs that runners compute is scored again where KV shows them no better after a while. */
const buildPart = Effect.fnUntraced(function* (
  payload: RetrainPayload,
  runId: string,
  snapshot: Snapshot,
  index: number,
) {
  const place = isScoredByRunners(payload) ? "runner" : "edge"
  for (let round = 0; ; round++) {
    const part = yield* Activity.make({
      name: round === 0 ? `pack/${index}` : `pack/${index}/${round}`,
      ...RetrainActivities.packPart,
      execute: buildPackPart(snapshot, index, place),
    })
    if (part.lacking === undefined) return part
    if (round === SCORING_ROUNDS) return yield* stillLacking(part.lacking)
    yield* scoreLacking(payload, runId, snapshot, { page: index, round })
  }
})

const buildPack = Effect.fnUntraced(function* (payload: RetrainPayload, runId: string, snapshot: Snapshot) {
  const parts: PackPart[] = []
  for (let index = 0; index < countOf(pairsOf(snapshot), PAIRS_PER_PAGE); index++) {
    if (index > 0 && index % PAGES_PER_EVENT === 0) yield* nextEvent(`pack/${index}`)
    parts.push(yield* buildPart(payload, runId, snapshot, index))
  }
  return yield* Activity.make({
    name: "pack",
    ...RetrainActivities.pack,
    execute: storeManifest(runId, payload.datasetId, snapshot, parts),
  })
})

/** Where runners find weights that are not stored. */
const sourceOf = ({ source }: RetrainPayload["base"]) => (source === undefined ? {} : { baseSource: source })

const train = Effect.fnUntraced(function* (payload: RetrainPayload, runId: string, pack: StoredPack) {
  const { base, config, limits, maxLength, startFrom } = payload
  const job = {
    ...{ kind: "train" as const, runId, base: base.files, baseModel: `${base.name}@${base.version}` },
    ...{ pack: pack.digest, config, ...sourceOf(base) },
    ...(startFrom === undefined ? {} : { startFrom: startFrom.files }),
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(limits === undefined ? {} : { mostSteps: limits.steps }),
  }
  yield* postJob(runId, "train", job, limits)
  const result = yield* awaitJob("train")
  return yield* Activity.make({
    name: "train",
    ...RetrainActivities.train,
    execute: acceptTrained(payload, runId, result),
  })
})

const evaluationJob = (payload: RetrainPayload, runId: string, pack: StoredPack, judged: Judged): EvaluateJob => {
  const { base } = payload
  const job = { kind: "evaluate", runId, base: base.files, ...judged, pack: pack.digest, split: "held-out" } as const
  return { ...job, ...sourceOf(base) }
}

const evaluate = Effect.fnUntraced(function* (
  payload: RetrainPayload,
  runId: string,
  pack: StoredPack,
  trained: Trained,
) {
  const { report: _, ...made } = trained
  const judged = { ...made, ...heldAs(payload.config) }
  const job = { ...evaluationJob(payload, runId, pack, judged), behaviour: { probes: probesOf(payload.gates) } }
  const next = payload.evaluation === undefined ? "promote" : "compare"
  yield* postJob(runId, "evaluate", job, payload.limits)
  const result = yield* awaitJob("evaluate")
  const evaluated = yield* Activity.make({
    name: "evaluate",
    ...RetrainActivities.evaluate,
    execute: evaluateCandidate({ runId, datasetId: payload.datasetId, next }, pack.digest, result),
  })
  return { evaluated, evaluation: yield* evaluationIn(result) }
})

/** Production's evaluation on this run's pack, made by a runner. Named by version: each is measured once. */
const measureChampion = Effect.fnUntraced(function* (
  payload: RetrainPayload,
  runId: string,
  pack: StoredPack,
  champion: { readonly version: number | null; readonly judged: Judged },
) {
  const name = `evaluate-production-${champion.version}`
  yield* postJob(runId, name, evaluationJob(payload, runId, pack, champion.judged), payload.limits)
  return yield* evaluationIn(yield* awaitJob(name))
})

type Comparable = Required<Champion>

/** The blob of production's evaluation on this run's pack; undefined where nothing but its accuracy was kept. */
const evaluationOf = Effect.fnUntraced(function* (
  payload: RetrainPayload,
  runId: string,
  pack: StoredPack,
  { version, compare }: Comparable,
) {
  if (compare.kind === "measured") return compare.evaluation
  const { kind: _, ...judged } = compare
  return yield* measureChampion(payload, runId, pack, { version, judged })
})

/** The candidate beside production, where there is one to compare with. */
const leads = Effect.fnUntraced(function* (
  payload: RetrainPayload,
  runId: string,
  { pack, evaluation: candidate }: Pick<Made, "pack" | "evaluation">,
  { version, compare }: Champion,
) {
  if (compare === undefined) return undefined
  const production = yield* evaluationOf(payload, runId, pack, { version, compare })
  if (production === undefined)
    return { accuracy: "accuracy" in compare ? compare.accuracy : undefined, measurements: {} }
  return yield* Activity.make({
    name: `leads-over-production-${version}`,
    ...RetrainActivities.leads,
    execute: leadOverProduction({ runId, datasetId: payload.datasetId }, { candidate, production }),
  })
})

interface Made {
  readonly pack: StoredPack
  readonly trained: Trained
  readonly evaluated: Evaluated
  /** The blob of its evaluation. */
  readonly evaluation: string
}

/** Compares with what production serves and decides; starts over when production moved meanwhile. */
const promote = Effect.fnUntraced(function* (payload: RetrainPayload, runId: string, made: Made) {
  const { pack, trained } = made
  for (let round = 0; round < PROMOTION_ROUNDS; round++) {
    const champion = yield* Activity.make({
      name: `champion/${round}`,
      ...RetrainActivities.champion,
      execute: findChampion(payload, pack, trained),
    })
    const lead = yield* leads(payload, runId, made, champion)
    const measurements = { ...made.evaluated.measurements, ...lead?.measurements }
    const compared = { trained, champion, evaluated: { ...made.evaluated, measurements } }
    const evaluated = yield* compareCandidate(payload, runId, compared)
    const outcome = yield* Activity.make({
      name: `promote/${round}`,
      ...RetrainActivities.promote,
      execute: promoteCandidate({ payload, runId, ...made, evaluated, champion, championAccuracy: lead?.accuracy }),
    })
    if (outcome.kind === "decided") return outcome.promote
  }
  return yield* new ModelRefused({
    message: `production of "${payload.modelName}" moved ${PROMOTION_ROUNDS} times while this run compared itself with it; the adapter is its candidate, promote it by hand`,
  })
})

/** Registers Retrain with the engine it is given. */
export const retrainLayer = Retrain.toLayer(
  Effect.fnUntraced(function* (payload, runId) {
    const snapshot = yield* Activity.make({
      name: "snapshot",
      ...RetrainActivities.snapshot,
      execute: takeSnapshot(payload, runId),
    })
    yield* score(payload, runId, snapshot)
    const pack = yield* buildPack(payload, runId, snapshot)
    const trained = yield* train(payload, runId, pack)
    const evaluated = yield* evaluate(payload, runId, pack, trained)
    return yield* promote(payload, runId, { pack, trained, ...evaluated })
  }),
)
