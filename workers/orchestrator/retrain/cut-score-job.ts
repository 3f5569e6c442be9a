// Cuts what runners are to score out of a snapshot: the pairs of some pages of which KV has no whole record, as a pack of one shard without
// log-probs, and a sheet of the responses that are asked for. KV is asked first, whoever wrote it, and what other runs' jobs ask for is left
// to them: a pair is scored once, whatever run or dataset it is of.
import { Effect } from "effect"
import { encodeManifest, entryOf } from "#shared/wire/pack-manifest.ts"
import { decodeShard, encodeShard, type PackPair } from "#shared/wire/pack-shard.ts"
import { SPLIT_RULE } from "#shared/wire/pair-identity.ts"
import { decodePairTokens } from "#shared/wire/pair-tokens.ts"
import { AskedResponses, encodeSheet, type SheetEntry, sheetRange } from "#shared/wire/score-sheet.ts"
import {
  type ScoreCut,
  ScoringRefused,
  type Snapshot,
  type SnapshotPage,
  type SnapshotPlace,
} from "#shared/workflows/retrain.ts"
import { type AskedSheet, Bindings } from "../Environment.ts"
import { putBlob, readBlob } from "./blobs.ts"
import { PAGES_PER_EVENT } from "./frozen-pairs.ts"
import {
  BUILT_SHARD_BYTES,
  bytesOf,
  type PairRow,
  type PairSize,
  type ResponseKey,
  readRecords,
  selectRows,
  stretches,
  withRejected,
} from "./pack.ts"
import { readPage, readSnapshot, sortedIds } from "./snapshot.ts"
import { withPartners } from "./still-said.ts"
import { call } from "./transient.ts"

type PairResponses = PairSize & Pick<PairRow, "chosen_digest" | "rejected_digest">

/** A pair that a runner is to score. */
interface AskedPair extends PairResponses {
  readonly isHeldOut: boolean
  readonly wanted: { readonly chosen: boolean; readonly rejected: boolean }
}

const selectResponses = async (
  db: D1Database,
  ids: readonly string[],
  matched: SnapshotPage["matched"],
): Promise<PairResponses[]> => {
  const { results } = await db
    .prepare(
      `SELECT id, prompt_tokens, chosen_tokens, rejected_tokens, chosen_digest, rejected_digest
         FROM pairs WHERE id IN (SELECT value FROM json_each(?)) AND status = 'ready'`,
    )
    .bind(JSON.stringify(withPartners(ids, matched)))
    .all<PairResponses>()
  return withRejected(ids, results, matched, (own, { rejected_tokens, rejected_digest }) => {
    return { ...own, rejected_tokens, rejected_digest }
  })
}

const sidesOf = (pair: PairResponses) => [
  { side: "chosen" as const, digest: pair.chosen_digest, tokens: pair.chosen_tokens },
  { side: "rejected" as const, digest: pair.rejected_digest, tokens: pair.rejected_tokens },
]

/** Of these pairs' responses those that have a whole record. Records are looked at and let go. */
const present = Effect.fnUntraced(function* (fingerprint: string, pairs: readonly PairResponses[]) {
  const responses = new Map<string, ResponseKey>()
  for (const { digest, tokens } of pairs.flatMap(sidesOf))
    if (tokens > 0) responses.set(digest, { responseDigest: digest, responseTokens: tokens })
  const found = new Set<string>()
  for (const some of stretches(
    [...responses.values()],
    ({ responseTokens }) => 4 * responseTokens,
    BUILT_SHARD_BYTES,
  )) {
    const records = yield* readRecords(fingerprint, some)
    some.forEach(({ responseDigest }, index) => {
      if (records[index] !== undefined) found.add(responseDigest)
    })
  }
  return found
})

interface Asked {
  readonly pairs: readonly AskedPair[]
  readonly counts: { readonly computed: number; readonly fromCache: number }
  readonly elsewhere: readonly string[]
  readonly next: SnapshotPlace | null
}

/** Where a job is to be cut. */
export interface ScoreStretch {
  readonly from: SnapshotPlace
  readonly pagesEnd: number
  /** Of jobs that are open or were: KV may show for a minute that what it was just given is not there. */
  readonly sheets: readonly AskedSheet[]
  /** Whether it was walked before, and what it needs was counted: some of it was left to jobs of others, which have ended. */
  readonly isAgain?: boolean
}

/** What is asked for already, by whom: this run, jobs of others that ended, and those of others that are open, by their ids. */
const askedBy = Effect.fnUntraced(function* (sheets: readonly AskedSheet[]) {
  const [own, ended, open] = [new AskedResponses(), new AskedResponses(), new Map<string, AskedResponses>()]
  // One at a time: of each some bytes are kept.
  for (const { jobId, sheet, pairs, isOwn, isOpen } of sheets) {
    const bytes = yield* readBlob(sheet)
    const asked = isOwn ? own : isOpen ? new AskedResponses() : ended
    asked.add(bytes.subarray(0, sheetRange(0, pairs).length))
    if (!isOwn && isOpen) open.set(jobId, asked)
  }
  const jobFor = (digest: string) => [...open].find(([, asked]) => asked.has(digest))?.[0]
  return { own, ended, jobFor }
})

/** Walks pages from a place on, until enough is asked for or enough was looked at. A response is asked of the first pair that has it. */
const ask = Effect.fnUntraced(function* (snapshot: Snapshot, { from, pagesEnd, sheets, isAgain }: ScoreStretch) {
  const { DB } = yield* Bindings
  const content = yield* readSnapshot(snapshot.digest)
  const end = Math.min(content.pages.length, pagesEnd)
  const asked: AskedPair[] = []
  const known = new Set<string>()
  const { own, ended, jobFor } = yield* askedBy(sheets)
  const elsewhere = new Set<string>()
  const counts = { computed: 0, fromCache: 0 }
  const soFar = () => ({
    ...{ pairs: asked, elsewhere: [...elsewhere] },
    counts: isAgain === true ? { ...counts, fromCache: 0 } : counts,
  })
  let bytes = 0
  let page = from.page
  for (; page < end && page < from.page + PAGES_PER_EVENT; page++) {
    const frozen = yield* readPage(content, page)
    const all = sortedIds(frozen)
    const ids = page === from.page ? all.slice(from.pairs) : all
    const heldOut = new Set(frozen.heldOut)
    const pairs = yield* call("read pairs' responses", () => selectResponses(DB, ids, frozen.matched))
    const found = yield* present(snapshot.referenceFingerprint, pairs)
    for (const pair of pairs) {
      const unknown = sidesOf(pair).filter(({ digest, tokens }) => tokens > 0 && !known.has(digest) && !own.has(digest))
      const lacking = unknown.filter(({ digest }) => !found.has(digest) && !ended.has(digest))
      const jobs = lacking.map(({ digest }) => jobFor(digest))
      const missing = lacking.filter((_, index) => jobs[index] === undefined)
      if (missing.length > 0) {
        bytes += bytesOf(pair)
        if (asked.length > 0 && bytes > BUILT_SHARD_BYTES)
          return { ...soFar(), next: { page, pairs: all.indexOf(pair.id) } } satisfies Asked
        const sides = missing.map(({ side }) => side)
        const wanted = { chosen: sides.includes("chosen"), rejected: sides.includes("rejected") }
        asked.push({ ...pair, isHeldOut: heldOut.has(pair.id), wanted })
        counts.computed += new Set(missing.map(({ digest }) => digest)).size
      }
      for (const job of jobs) if (job !== undefined) elsewhere.add(job)
      counts.fromCache +=
        new Set(unknown.map(({ digest }) => digest)).size - new Set(missing.map(({ digest }) => digest)).size
      for (const { digest } of sidesOf(pair)) known.add(digest)
    }
  }
  return { ...soFar(), next: page < end ? { page, pairs: 0 } : null } satisfies Asked
})

const packPairOf = Effect.fnUntraced(function* (row: PairRow, { isHeldOut }: AskedPair) {
  const tokens = decodePairTokens(row)
  if (tokens === undefined)
    return yield* new ScoringRefused({
      message: `pair ${row.id} has no token ids that fit its lengths; ingest it again`,
    })
  const { id, weight } = row
  return { id, ...tokens, weight, split: isHeldOut ? "held-out" : "train" } satisfies PackPair
})

const entryOfPair = (pair: AskedPair): SheetEntry => ({
  chosen: { digest: pair.chosen_digest, tokens: pair.chosen_tokens, isWanted: pair.wanted.chosen },
  rejected: { digest: pair.rejected_digest, tokens: pair.rejected_tokens, isWanted: pair.wanted.rejected },
})

/** Stores pack and sheet of these pairs; nothing where all were taken back meanwhile. */
const storeJob = Effect.fnUntraced(function* (dataset: string, snapshot: Snapshot, asked: readonly AskedPair[]) {
  const { DB } = yield* Bindings
  const byId = new Map(asked.map((pair) => [pair.id, pair]))
  const rows = yield* call("read pairs", () => selectRows(DB, asked))
  if (rows.length === 0) return undefined
  const sorted = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const pairs = yield* Effect.forEach(sorted, (row) => packPairOf(row, byId.get(row.id)!))
  const { digest, tokenizerDigest: tokenizer, templateDigest: template = "", splitRule = SPLIT_RULE } = snapshot
  const bytes = encodeShard(pairs, { snapshot: digest, reference: "", tokenizer })
  const shard = entryOf(decodeShard(bytes), { digest: yield* putBlob(bytes), bytes: bytes.length })
  const from = { dataset, snapshot: digest, splitRule, tokenizer, template, reference: "" as const }
  const pack = yield* putBlob(encodeManifest(from, [shard]))
  const sheet = yield* putBlob(encodeSheet(sorted.map(({ id }) => entryOfPair(byId.get(id)!))))
  return { pack, shard: shard.digest, sheet, pairs: sorted.length }
})

/** The job of a stretch's beginning, and where the next begins. */
export const cutScoreJob = Effect.fn("cutScoreJob")(function* (
  dataset: string,
  snapshot: Snapshot,
  stretch: ScoreStretch,
) {
  const { pairs, counts, elsewhere, next } = yield* ask(snapshot, stretch)
  const job = pairs.length === 0 ? undefined : yield* storeJob(dataset, snapshot, pairs)
  const others = elsewhere.length === 0 ? {} : { elsewhere }
  return { ...(job === undefined ? {} : { job }), counts, ...others, next } satisfies ScoreCut
})
