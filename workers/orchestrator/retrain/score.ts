// Makes sure that every frozen pair has its reference log-probs in KV, group by group: each group is one activity, so a
// crash repeats at most one, and its repetition finds its work in the cache.
import { Effect } from "effect"
import { LIMITS, slices } from "#shared/wire/limits.ts"
import { type ScoreCounts, ScoringRefused } from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { recordStep } from "../runs/run-rows.ts"
import { PAIRS_PER_PAGE } from "./frozen-pairs.ts"
import { readPage, readSnapshot, sortedIds } from "./snapshot.ts"
import { stillReady, withPartners } from "./still-said.ts"
import { call, callRpc } from "./transient.ts"

export const PAIRS_PER_GROUP = 8 * LIMITS.pairsPerScoring
const GROUPS_PER_PAGE = PAIRS_PER_PAGE / PAIRS_PER_GROUP

export const addCounts = (a: ScoreCounts, b: ScoreCounts): ScoreCounts => ({
  computed: a.computed + b.computed,
  fromCache: a.fromCache + b.fromCache,
})

/** Has pairs scored, as many a call as it takes, one call after the other: the scorer is one isolate. */
export const scorePairs = Effect.fnUntraced(function* (datasetId: string, pairIds: readonly string[]) {
  const { SCORER } = yield* Bindings
  let counts: ScoreCounts = { computed: 0, fromCache: 0 }
  for (const ids of slices(pairIds, LIMITS.pairsPerScoring)) {
    const report = yield* callRpc(
      "have pairs scored",
      () => SCORER.score({ datasetId, pairIds: ids }),
      (message) => new ScoringRefused({ message }),
    )
    counts = addCounts(counts, report)
  }
  return counts
})

/** Scores group `index` of the snapshot. `before` is what the groups before it counted. */
export const scoreGroup = Effect.fn("scoreGroup")(function* (
  runId: string,
  snapshotDigest: string,
  index: number,
  before: ScoreCounts,
) {
  const { DB } = yield* Bindings
  const content = yield* readSnapshot(snapshotDigest)
  const pageIndex = Math.floor(index / GROUPS_PER_PAGE)
  const page = yield* readPage(content, pageIndex)
  const groups = slices(sortedIds(page), PAIRS_PER_GROUP)
  const inPage = index % GROUPS_PER_PAGE
  const ids = yield* stillReady(groups[inPage] ?? [], page.matched)
  const counts = yield* scorePairs(content.datasetId, withPartners(ids, page.matched))
  const isLast = pageIndex + 1 >= content.pages.length && inPage + 1 >= groups.length
  const next = isLast ? "pack" : "score"
  const detail = addCounts(before, counts)
  yield* call("note the scores", () => recordStep(DB, runId, { step: "score", detail, next }))
  return counts
})
