// The queue's consumer: comparisons in, pairs and cached log-probs out. A redelivered message finds its outbox row gone and
// changes nothing; a comparison that can never become pairs is dropped with its reason; everything else is tried again. One that work
// does not survive is told from those beside it (Tries.ts): it goes alone, then it is parked.
import { Cause, Clock, Effect, Result } from "effect"
import { type BlobFailure, Blobs } from "./Blobs.ts"
import type { Arrival, Outcome } from "./Outcome.ts"
import { preparation, prepareOutcome } from "./prepare-pairs.ts"
import { type Counts, ReadModel } from "./ReadModel.ts"
import { ReferenceModel } from "./ReferenceModel.ts"
import { scoreResponses } from "./score-responses.ts"
import { BROKE_OFF, MOST_TRIES, TRIES_TOGETHER, Tries } from "./Tries.ts"

/** Of one transaction: far below D1's 30 s and 1 000 queries. */
const PAIRS_PER_COMMIT = 200

const NO_COUNTS: Counts = { sessionsOpened: 0, computed: 0, fromCache: 0 }

export interface IngestReport {
  /** Comparisons to deliver again, with the reason. */
  readonly retry: ReadonlyMap<string, string>
  /** Datasets of comparisons that are done, with these comparisons: the orchestrator wants to know. */
  readonly ready: ReadonlyMap<string, readonly string[]>
}

interface DatasetReport {
  readonly failed: readonly { readonly arrival: Arrival; readonly reason: string }[]
  /** The code threw: any of them may be to blame. */
  readonly isBroken?: boolean
}

const readLines = Effect.fnUntraced(function* (digest: string) {
  const blobs = yield* Blobs
  return new TextDecoder().decode(yield* blobs.read(digest, "the comparisons' payload")).split("\n")
})

/** Every payload blob once; one that cannot be read fails only the comparisons in it. */
const readPayloads = Effect.fnUntraced(function* (arrivals: readonly Arrival[]) {
  const groups = Map.groupBy(arrivals, ({ payloadDigest }) => payloadDigest)
  const read = yield* Effect.forEach(
    groups,
    ([digest, members]) =>
      Effect.map(Effect.result(readLines(digest)), (lines: Result.Result<string[], BlobFailure>) => ({
        members,
        lines,
      })),
    { concurrency: 4 },
  )
  return {
    payloads: read.flatMap(({ members, lines }) =>
      Result.isSuccess(lines) ? members.map((arrival) => ({ arrival, line: lines.success[arrival.payloadLine] })) : [],
    ),
    failed: read.flatMap(({ members, lines }) =>
      Result.isFailure(lines) ? members.map((arrival) => ({ arrival, reason: lines.failure.message })) : [],
    ),
  }
})

const commits = (outcomes: readonly Outcome[]): Outcome[][] => {
  const slices: Outcome[][] = [[]]
  let pairs = 0
  for (const outcome of outcomes) {
    if (pairs > 0 && pairs + outcome.pairs.length > PAIRS_PER_COMMIT) {
      slices.push([])
      pairs = 0
    }
    slices.at(-1)!.push(outcome)
    pairs += outcome.pairs.length
  }
  return slices
}

/**
 * Scoring here only warms the cache, the workflow's own step makes sure of it: a failure is told and holds up no pair. What runners score
 * is tokenised here and no more.
 */
const processDataset = Effect.fnUntraced(function* (datasetId: string, arrivals: readonly Arrival[]) {
  const readModel = yield* ReadModel
  const model = yield* ReferenceModel
  const reference = yield* readModel.reference(datasetId)
  const tokeniser = yield* model.tokeniser(reference.files)
  const { payloads, failed } = yield* readPayloads(arrivals)
  const made = preparation(reference, tokeniser)
  const outcomes = yield* Effect.forEach(payloads, ({ arrival, line }) => prepareOutcome(arrival, line, made))
  const tokens = outcomes.flatMap(({ pairs }) => pairs.flatMap((pair) => pair.tokens ?? []))
  const here = reference.place === "edge" ? tokens : []
  const { counts, failure } = yield* scoreResponses(reference, tokeniser, here)
  if (failure !== undefined) yield* Effect.logWarning(`dataset "${datasetId}" is not fully scored: ${failure.message}`)
  const now = yield* Clock.currentTimeMillis
  for (const [index, slice] of commits(outcomes).entries())
    yield* readModel.commit(reference, slice, index === 0 ? counts : NO_COUNTS, now)
  return { failed } satisfies DatasetReport
})

const idsOf = (arrivals: readonly Arrival[]): string[] => arrivals.map(({ comparisonId }) => comparisonId)

/** A failure that was foreseen is nobody's fault; a defect counts as a try of each, as the isolate's death would. */
const processOrExplain = Effect.fnUntraced(function* (datasetId: string, arrivals: readonly Arrival[]) {
  const tries = yield* Tries
  const failedBy = (reason: string) => arrivals.map((arrival) => ({ arrival, reason }))
  const report: DatasetReport = yield* Effect.andThen(
    tries.begin(idsOf(arrivals)),
    processDataset(datasetId, arrivals),
  ).pipe(
    Effect.catch(({ message }) => Effect.succeed<DatasetReport>({ failed: failedBy(message) })),
    Effect.catchCause((cause) => {
      const defect = Cause.squash(cause)
      const reason = defect instanceof Error ? defect.message : String(defect)
      return Effect.logError(cause).pipe(Effect.as<DatasetReport>({ failed: failedBy(reason), isBroken: true }))
    }),
  )
  const forgiven = report.isBroken === true ? [] : report.failed.map(({ arrival }) => arrival.comparisonId)
  yield* Effect.catch(tries.forgive(forgiven), (error) => Effect.logError(error.message))
  return report
})

/** Ends the waiting of comparisons that no try survives; the others, those first that work has survived most often. */
const parkWornOut = Effect.fnUntraced(function* (wanted: readonly Arrival[]) {
  const tries = yield* Tries
  const tried = yield* tries.of(idsOf(wanted))
  const triesOf = ({ comparisonId }: Arrival) => tried.get(comparisonId)?.tries ?? 0
  const isWornOut = (arrival: Arrival) => triesOf(arrival) >= MOST_TRIES
  const now = yield* Clock.currentTimeMillis
  for (const arrival of wanted.filter(isWornOut)) {
    const reason = `given up after ${triesOf(arrival)} tries: ${tried.get(arrival.comparisonId)?.lastError ?? BROKE_OFF}`
    yield* Effect.logError(`comparison ${arrival.comparisonId} is parked: ${reason}`)
    yield* tries.park(arrival.comparisonId, reason, now)
  }
  const rest = wanted.filter((arrival) => !isWornOut(arrival)).toSorted((a, b) => triesOf(a) - triesOf(b))
  const [together, alone] = [
    rest.filter((arrival) => triesOf(arrival) < TRIES_TOGETHER),
    rest.filter((arrival) => triesOf(arrival) >= TRIES_TOGETHER),
  ]
  return [...Map.groupBy(together, ({ datasetId }) => datasetId).values(), ...alone.map((arrival) => [arrival])]
})

/** The outbox tells an operator why a comparison is still waiting; not being able to tell it is only logged. */
const explain = Effect.fnUntraced(function* (retry: ReadonlyMap<string, string>) {
  const readModel = yield* ReadModel
  const reasons = Map.groupBy([...retry], ([, reason]) => reason)
  yield* Effect.forEach(
    reasons,
    ([reason, entries]) =>
      readModel
        .recordFailure(
          entries.map(([id]) => id),
          reason,
        )
        .pipe(Effect.catch((error) => Effect.logError(`${error.message}; it was to say: ${reason}`))),
    { discard: true },
  )
})

/** Processes comparisons by id, each dataset on its own. Fails only when D1 cannot be read: then all are tried again. */
export const ingest = Effect.fnUntraced(function* (comparisonIds: readonly string[]) {
  const readModel = yield* ReadModel
  const arrivals = yield* readModel.arrivals(comparisonIds)
  const pending = arrivals.filter(({ isPending }) => isPending)
  const [wanted, unwanted] = [
    pending.filter(({ status }) => status === "received"),
    pending.filter(({ status }) => status !== "received"),
  ]
  yield* readModel.discard(idsOf(unwanted))
  const reports = yield* Effect.forEach(yield* parkWornOut(wanted), (members) =>
    processOrExplain(members[0]!.datasetId, members),
  )
  const retry = new Map(
    reports.flatMap(({ failed }) => failed.map(({ arrival, reason }) => [arrival.comparisonId, reason] as const)),
  )
  yield* explain(retry)
  const done = arrivals.filter(({ comparisonId }) => !retry.has(comparisonId))
  const ready = new Map(
    [...Map.groupBy(done, ({ datasetId }) => datasetId)].map(([id, members]) => [
      id,
      members.map(({ comparisonId }) => comparisonId),
    ]),
  )
  return { retry, ready } satisfies IngestReport
})
