// What a snapshot holds: the sorted ids of a dataset's ready pairs by split, page by page, so that no query and no memory grows with them.
// The digests of the pages name what a run is trained on. What split votes mean is decided here, by the dataset's policy.

import { DEFAULT_SPLIT_VOTES, HAS_SHARE, IS_DECIDED, type SplitVotes, shareOf } from "#shared/domain/SplitVotes.ts"
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import { MATCH_VERDICTS } from "#shared/judgement/verdict-pairs.ts"
import { DEFAULT_METHOD, definitionOf, type Method } from "#shared/methods/methods.ts"
import { LIMITS } from "#shared/wire/limits.ts"
import type { SnapshotPage } from "#shared/workflows/retrain.ts"

/** Of a snapshot, and so of what one step reads, scores or packs. */
export const PAIRS_PER_PAGE = 1024
/** Pages whose records one event reads: two KV reads a pair. */
export const PAGES_PER_EVENT = Math.floor(LIMITS.callsPerEvent / (2 * PAIRS_PER_PAGE))
/** D1 answers a thousand queries an event: five million pairs, more than its 10 GB hold. */
const PAGES_PER_QUERY = 5

interface Row {
  readonly id: string
  readonly split: string
  readonly side: number
  readonly votes_for: number
  readonly votes_against: number
}

interface MatchRow {
  readonly up: string
  readonly down: string
  readonly up_for: number
  readonly up_against: number
  readonly down_for: number
  readonly down_against: number
}

/** One of a snapshot's pairs, or a verdict. */
interface Entry {
  readonly id: string
  readonly split: string
  /** What its weight is multiplied by. */
  readonly share: number
  /** Of a pair of verdicts: the undesirable answer's. */
  readonly partner?: string
  readonly isVerdict: boolean
}

export interface FrozenPage {
  readonly page: SnapshotPage
  /** Its canonical JSON. */
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly digest: string
  /** Of those to train on, verdicts on one answer; and of all, pairs that verdicts make. */
  readonly verdicts: number
  readonly matched: number
}

/** Pairs; or, beside pairs, verdicts as they stand: both, or the desirable ones as responses to learn. */
type Reads = ReturnType<typeof definitionOf>["rows"]

/** Which verdicts a method trains on as they stand, as a condition on a row of `pairs`; for one that reads pairs they make pairs. */
export const TAKES: Readonly<Record<Reads, string>> = {
  pairs: "side = 0",
  unpaired: "(side = 0 OR split = 'train')",
  responses: "(side = 0 OR (side = 1 AND split = 'train'))",
}

/** How a dataset's votes become a snapshot. */
export interface Rule {
  readonly policy: SplitVotes
  readonly reads: Reads
}

export const ruleOf = async (
  db: D1Database,
  datasetId: string,
  config: Readonly<Record<string, unknown>>,
): Promise<Rule> => {
  const policy = await db
    .prepare("SELECT split_votes FROM datasets WHERE id = ?")
    .bind(datasetId)
    .first<SplitVotes>("split_votes")
  return {
    policy: policy ?? DEFAULT_SPLIT_VOTES,
    reads: definitionOf((config.method ?? DEFAULT_METHOD) as Method).rows,
  }
}

const sparse = <A>(entries: readonly Entry[], found: (entry: Entry) => A | undefined): Record<string, A> =>
  Object.fromEntries(
    entries.flatMap((entry) => {
      const value = found(entry)
      return value === undefined ? [] : [[entry.id, value] as const]
    }),
  )

/** What is usual of a pair is not written, so that a snapshot without split votes and verdicts is as it ever was. */
const frozenPage = async (entries: readonly Entry[]): Promise<FrozenPage> => {
  const idsOf = (split: string) => entries.filter((entry) => entry.split === split).map(({ id }) => id)
  const shares = sparse(entries, ({ share }) => (share === 1 ? undefined : share))
  const matched = sparse(entries, ({ partner }) => partner)
  const page: SnapshotPage = {
    ...{ train: idsOf("train"), heldOut: idsOf("held-out") },
    ...(Object.keys(shares).length === 0 ? {} : { shares }),
    ...(Object.keys(matched).length === 0 ? {} : { matched }),
  }
  const bytes = new TextEncoder().encode(canonicalJson(page)) as Uint8Array<ArrayBuffer>
  const verdicts = entries.filter(({ isVerdict }) => isVerdict).length
  return { page, bytes, digest: await sha256Hex(bytes), verdicts, matched: Object.keys(matched).length }
}

const matchesOf = async (db: D1Database, datasetId: string, rows: readonly Row[], { policy }: Rule) => {
  const ups = rows.filter(({ side }) => side === 1).map(({ id }) => id)
  if (ups.length === 0) return new Map<string, MatchRow>()
  const { results } = await db
    .prepare(MATCH_VERDICTS(IS_DECIDED[policy]))
    .bind(datasetId, JSON.stringify(ups))
    .all<MatchRow>()
  return new Map(results.map((match) => [match.up, match]))
}

const entryOf = (row: Row, match: MatchRow | undefined, { policy, reads }: Rule): Entry[] => {
  const { id, split, side } = row
  const isVerdict = side !== 0
  const isAlone = reads === "unpaired" || (reads === "responses" && side === 1)
  if (!isVerdict || (isAlone && split === "train"))
    return [{ id, split, isVerdict, share: shareOf(policy, { for: row.votes_for, against: row.votes_against }) }]
  // To train on, its answers would be there twice.
  if (match === undefined || (reads !== "pairs" && split === "train")) return []
  const up = shareOf(policy, { for: match.up_for, against: match.up_against })
  const down = shareOf(policy, { for: match.down_for, against: match.down_against })
  return [{ id, split, isVerdict: false, share: up * down, partner: match.down }]
}

async function* entriesOf(db: D1Database, datasetId: string, rule: Rule): AsyncGenerator<Entry> {
  const most = PAGES_PER_QUERY * PAIRS_PER_PAGE
  for (let last = ""; ; ) {
    const { results } = await db
      .prepare(
        `SELECT id, split, side, votes_for, votes_against FROM pairs
          WHERE dataset_id = ? AND status = 'ready' AND id > ? AND ${HAS_SHARE[rule.policy]} ORDER BY id LIMIT ?`,
      )
      .bind(datasetId, last, most)
      .all<Row>()
    const matches = await matchesOf(db, datasetId, results, rule)
    for (const row of results) yield* entryOf(row, matches.get(row.id), rule)
    if (results.length < most) return
    last = results.at(-1)!.id
  }
}

/** All pairs of a dataset that count by its policy as they are now, in the order of their ids; every page but the last is full. */
export async function* frozenPages(
  db: D1Database,
  datasetId: string,
  config: Readonly<Record<string, unknown>>,
): AsyncGenerator<FrozenPage> {
  const rule = await ruleOf(db, datasetId, config)
  let entries: Entry[] = []
  for await (const entry of entriesOf(db, datasetId, rule)) {
    entries.push(entry)
    if (entries.length < PAIRS_PER_PAGE) continue
    yield await frozenPage(entries)
    entries = []
  }
  if (entries.length > 0) yield await frozenPage(entries)
}
