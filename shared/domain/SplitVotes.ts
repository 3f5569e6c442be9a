// What a split vote means: a pair that some labellers state, and others the other way round. A pure function of the votes, asked when a
// snapshot is taken, so that another policy derives and tokenises nothing again.
import { Schema } from "effect"

/**
 * Of a pair that is contradicted: `drop` leaves both directions out; `majority` keeps the one that more labellers state, and neither at a
 * draw; `weight` keeps both, each weighed by its share of the votes.
 */
export const SplitVotes = Schema.Literals(["drop", "majority", "weight"])
export type SplitVotes = typeof SplitVotes.Type

/** One click among many neither takes a pair away nor teaches its opposite. */
export const DEFAULT_SPLIT_VOTES: SplitVotes = "majority"

export interface Votes {
  readonly for: number
  readonly against: number
}

/** What the pair's weight is multiplied by; 0 leaves it out. */
export const shareOf = (policy: SplitVotes, votes: Votes): number => {
  if (votes.for === 0) return 0
  switch (policy) {
    case "drop":
      return votes.against === 0 ? 1 : 0
    case "majority":
      return votes.for > votes.against ? 1 : 0
    case "weight":
      return votes.for / (votes.for + votes.against)
  }
}

/** Whether `shareOf` is above 0, as a condition on a row of `pairs`. */
export const HAS_SHARE: Readonly<Record<SplitVotes, string>> = {
  drop: "votes_for > 0 AND votes_against = 0",
  majority: "votes_for > votes_against",
  weight: "votes_for > 0",
}

/** Whether an answer's verdict is the one that counts of it, as a condition on a row of `pairs`: of both verdicts on one answer one at most. */
export const IS_DECIDED: Readonly<Record<SplitVotes, string>> = {
  drop: HAS_SHARE.drop,
  majority: HAS_SHARE.majority,
  weight: HAS_SHARE.majority,
}
