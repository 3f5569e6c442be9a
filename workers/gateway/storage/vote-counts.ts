// How a dataset's labellers voted: counts of its pairs and verdicts, from their index alone.
import { Effect } from "effect"
import type { DatasetCounts } from "#shared/domain/Dataset.ts"
import { HAS_SHARE, IS_DECIDED, type SplitVotes } from "#shared/domain/SplitVotes.ts"
import { COUNT_MATCHED } from "#shared/judgement/verdict-pairs.ts"
import type { Database } from "./Database.ts"

const COUNT = (policy: SplitVotes) => `
  SELECT coalesce(sum(side = 0 AND votes_for = 1 AND votes_against = 0), 0) AS single,
         coalesce(sum(side = 0 AND votes_for > 1 AND votes_against = 0), 0) AS agreed,
         coalesce(sum(side = 0 AND votes_against > 0), 0) AS split,
         coalesce(sum(side = 0 AND NOT (${HAS_SHARE[policy]})), 0) AS leftOut,
         coalesce(sum(side = 1), 0) AS desirable, coalesce(sum(side = -1), 0) AS undesirable
    FROM pairs WHERE dataset_id = ? AND status = 'ready'`

type Counted = Record<"single" | "agreed" | "split" | "leftOut" | "desirable" | "undesirable", number>

export const countVotes = Effect.fnUntraced(function* (
  database: Database["Service"],
  datasetId: string,
  policy: SplitVotes,
) {
  const none = { single: 0, agreed: 0, split: 0, leftOut: 0, desirable: 0, undesirable: 0 }
  const { desirable, undesirable, ...votes } = (yield* database.first<Counted>(COUNT(policy), datasetId)) ?? none
  const matched = yield* database.all<{ pairs: number }>(COUNT_MATCHED(IS_DECIDED[policy]), datasetId)
  const pairs = matched.reduce((sum, of) => sum + of.pairs, 0)
  return { votes, verdicts: { desirable, undesirable, pairs } } satisfies Pick<DatasetCounts, "votes" | "verdicts">
})
