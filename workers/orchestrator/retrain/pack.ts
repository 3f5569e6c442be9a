// Builds the pack that a run trains on: token ids from D1, reference log-probs from KV, shards in R2, and a manifest that names them. Page by
// page of the snapshot, because a page is two KV reads a pair and one event may make only so many calls; no more than one shard is ever held.
// A pair whose record is missing or malformed is scored again; what was taken back since the snapshot is left out and counted.
import { Effect, Schema } from "effect"
import { LIMITS } from "#shared/wire/limits.ts"
import { encodeManifest, entryOf, MOST_SHARD_BYTES, type ShardEntry } from "#shared/wire/pack-manifest.ts"
import { decodeShard, encodeShard, type PackPair } from "#shared/wire/pack-shard.ts"
import { SPLIT_RULE, type Split } from "#shared/wire/pair-identity.ts"
import { decodePairTokens, type PairTokenColumns } from "#shared/wire/pair-tokens.ts"
import { decodeRecord, type RecordMetadata, recordKey } from "#shared/wire/reference-record.ts"
import {
  type PackPart,
  PackRefused,
  type RetrainPayload,
  type Snapshot,
  type SnapshotPage,
  type StoredPack,
} from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { recordStep } from "../runs/run-rows.ts"
import { putBlob } from "./blobs.ts"
import { scorePairs } from "./score.ts"
import { readPage, readSnapshot, sortedIds } from "./snapshot.ts"
import { withPartners } from "./still-said.ts"
import { call } from "./transient.ts"

/** A shard, its pairs and what D1 and KV answered live in one isolate of 128 MB, which other runs may share: half of what readers allow. */
export const BUILT_SHARD_BYTES = MOST_SHARD_BYTES / 2
/** D1 answers a blob as an array of numbers, in JSON: some twenty bytes a byte. */
const TOKENS_PER_QUERY = 64 * 1024
export const SCORING_ROUNDS = 3

type Place = NonNullable<RetrainPayload["reference"]>["place"]

/** What is known of a pair before its tokens are read. */
export interface PairSize {
  readonly id: string
  /** Of one that verdicts make: the row of its rejected response. */
  readonly partner?: string
  readonly prompt_tokens: number
  readonly chosen_tokens: number
  readonly rejected_tokens: number
}

export interface PairRow extends PairTokenColumns {
  readonly id: string
  readonly weight: number
  readonly chosen_digest: string
  readonly rejected_digest: string
}

const SIZE_COLUMNS = "id, prompt_tokens, chosen_tokens, rejected_tokens"
const COLUMNS = `${SIZE_COLUMNS}, weight, token_ids, chosen_digest, rejected_digest`

const tokensOf = ({ prompt_tokens, chosen_tokens, rejected_tokens }: PairSize): number =>
  prompt_tokens + chosen_tokens + rejected_tokens

/** Of a pair in a shard: id, bounds, weight, split, token ids, log-probs of both responses. */
export const bytesOf = (pair: PairSize): number =>
  32 + 16 + 4 + 1 + 4 * tokensOf(pair) + 4 * (pair.chosen_tokens + pair.rejected_tokens)

/** Values in stretches of at most `most` by `sizeOf` and `count` by number, in order; a larger one is a stretch of its own. */
export const stretches = <A>(
  values: readonly A[],
  sizeOf: (value: A) => number,
  most: number,
  count = Infinity,
): A[][] => {
  const found: A[][] = []
  let size = 0
  for (const value of values) {
    const last = found.at(-1)
    size += sizeOf(value)
    if (last !== undefined && size <= most && last.length < count) last.push(value)
    else {
      found.push([value])
      size = sizeOf(value)
    }
  }
  return found
}

/** These pairs with their partners' rejected responses, in the order of `ids`: both rows have to be there. */
export const withRejected = <Row extends PairSize>(
  ids: readonly string[],
  rows: readonly Row[],
  matched: SnapshotPage["matched"] = {},
  join: (own: Row, other: Row) => Row,
): Row[] => {
  const found = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => {
    const [own, partner] = [found.get(id), matched[id]]
    if (own === undefined || partner === undefined) return own ?? []
    const other = found.get(partner)
    return other === undefined ? [] : { ...join(own, other), partner }
  })
}

/** The pairs among these that still count, in the order of their ids; of one that verdicts make, both. */
const selectSizes = async (db: D1Database, page: SnapshotPage): Promise<PairSize[]> => {
  const ids = sortedIds(page)
  const { results } = await db
    .prepare(`SELECT ${SIZE_COLUMNS} FROM pairs WHERE id IN (SELECT value FROM json_each(?)) AND status = 'ready'`)
    .bind(JSON.stringify(withPartners(ids, page.matched)))
    .all<PairSize>()
  return withRejected(ids, results, page.matched, (own, { rejected_tokens }) => ({ ...own, rejected_tokens }))
}

const matchedOf = (pairs: readonly PairSize[]) =>
  Object.fromEntries(pairs.flatMap(({ id, partner }) => (partner === undefined ? [] : [[id, partner] as const])))

/** A pair of both its rows: the prompt of both is one. */
const joined = (own: PairRow, other: PairRow): PairRow => {
  const { rejected_tokens, rejected_digest } = other
  const rejected = other.token_ids?.slice(4 * other.prompt_tokens) ?? []
  const token_ids = own.token_ids && [...own.token_ids, ...rejected]
  return { ...own, rejected_tokens, rejected_digest, token_ids, weight: own.weight * other.weight }
}

/** The rows of those of these pairs that still count. */
export const selectRows = async (db: D1Database, pairs: readonly PairSize[]): Promise<PairRow[]> => {
  const found: PairRow[] = []
  const most = LIMITS.idsPerStatement / (pairs.some(({ partner }) => partner !== undefined) ? 2 : 1)
  for (const some of stretches(pairs, tokensOf, TOKENS_PER_QUERY, most)) {
    const ids = some.flatMap(({ id, partner }) => (partner === undefined ? [id] : [id, partner]))
    const { results } = await db
      .prepare(`SELECT ${COLUMNS} FROM pairs WHERE id IN (${ids.map(() => "?").join(", ")}) AND status = 'ready'`)
      .bind(...ids)
      .all<PairRow>()
    found.push(...results)
  }
  const ids = pairs.map(({ id }) => id)
  return withRejected(ids, found, matchedOf(pairs), joined)
}

export interface ResponseKey {
  readonly responseDigest: string
  readonly responseTokens: number
}

const responsesOf = (rows: readonly PairRow[]): ResponseKey[] =>
  rows.flatMap((row) => [
    { responseDigest: row.chosen_digest, responseTokens: row.chosen_tokens },
    { responseDigest: row.rejected_digest, responseTokens: row.rejected_tokens },
  ])

/** Of the side that a verdict says nothing of. */
const NO_LOG_PROBS = new Float32Array(0)

/**
 * The records of these responses, in their order; undefined where one is missing or malformed. Values are read one by one,
 * because KV's bulk read decodes them as text.
 */
export const readRecords = Effect.fnUntraced(function* (fingerprint: string, responses: readonly ResponseKey[]) {
  const { REFERENCES } = yield* Bindings
  return yield* Effect.forEach(
    responses,
    ({ responseDigest, responseTokens }) =>
      responseTokens === 0
        ? Effect.succeed(NO_LOG_PROBS)
        : call("read a reference record", () =>
            REFERENCES.getWithMetadata<Partial<RecordMetadata>>(recordKey(fingerprint, responseDigest), "arrayBuffer"),
          ).pipe(
            Effect.map(({ value, metadata }) =>
              value === null ? undefined : decodeRecord(value, metadata, responseTokens),
            ),
          ),
    { concurrency: LIMITS.concurrentCalls },
  )
})

/** What no scoring mends. */
export const stillLacking = (pairs: number, first?: string) =>
  new PackRefused({
    message: `${pairs} pairs have no usable reference log-probs after being scored ${SCORING_ROUNDS} times${first === undefined ? "" : `, first ${first}`}; check the scorer's log and the KV namespace`,
  })

/** Records that only runners can compute: a job is posted for them, which no step can wait for. */
class RecordsLacking extends Schema.TaggedError<RecordsLacking>()("RecordsLacking", { pairs: Schema.Int }) {}

type References = ReadonlyMap<string, NonNullable<PackPair["referenceLogProbs"]>>

/** Every row's log-probs. Rows without a whole record are scored again, a bounded number of times. */
const gatherReferences = Effect.fnUntraced(function* (
  datasetId: string,
  fingerprint: string,
  rows: readonly PairRow[],
  matched: SnapshotPage["matched"],
  place: Place,
) {
  const found = new Map<string, NonNullable<PackPair["referenceLogProbs"]>>()
  let lacking = rows
  for (let round = 0; ; round++) {
    const records = yield* readRecords(fingerprint, responsesOf(lacking))
    lacking.forEach(({ id }, index) => {
      const [chosen, rejected] = [records[2 * index], records[2 * index + 1]]
      if (chosen !== undefined && rejected !== undefined) found.set(id, { chosen, rejected })
    })
    lacking = lacking.filter(({ id }) => !found.has(id))
    if (lacking.length === 0) return found as References
    if (place === "runner") return yield* new RecordsLacking({ pairs: lacking.length })
    const ids = lacking.map(({ id }) => id)
    if (round === SCORING_ROUNDS) return yield* stillLacking(ids.length, ids[0])
    yield* scorePairs(datasetId, withPartners(ids, matched))
  }
})

const pairOf = Effect.fnUntraced(function* (row: PairRow, split: Split, references: References) {
  const tokens = decodePairTokens(row)
  if (tokens === undefined)
    return yield* new PackRefused({ message: `pair ${row.id} has no token ids that fit its lengths; ingest it again` })
  const { id, weight } = row
  return { ...{ id, ...tokens, weight, split }, referenceLogProbs: references.get(id) } satisfies PackPair
})

/** What InvalidPack says of these pairs, as the step's failure. */
const orRefused = <A>(make: () => A) =>
  Effect.try({ try: make, catch: (cause) => new PackRefused({ message: (cause as Error).message }) })

/** Stores one shard of these pairs; none where all were taken back since their sizes were read. */
const storeShard = Effect.fnUntraced(function* (
  snapshot: Snapshot,
  datasetId: string,
  pairs: readonly PairSize[],
  page: SnapshotPage,
  place: Place,
) {
  const { DB } = yield* Bindings
  const rows = yield* call("read pairs", () => selectRows(DB, pairs))
  if (rows.length === 0) return []
  const { digest, referenceFingerprint: reference, tokenizerDigest: tokenizer } = snapshot
  const references = yield* gatherReferences(datasetId, reference, rows, page.matched, place)
  // Splits and shares are the snapshot's: it is what this run was counted by.
  const heldOut = new Set(page.heldOut)
  const packed = yield* Effect.forEach(rows, (row) => {
    const weight = row.weight * (page.shares?.[row.id] ?? 1)
    return pairOf({ ...row, weight }, heldOut.has(row.id) ? "held-out" : "train", references)
  })
  const bytes = yield* orRefused(() => encodeShard(packed, { snapshot: digest, reference, tokenizer }))
  return [entryOf(decodeShard(bytes), { digest: yield* putBlob(bytes), bytes: bytes.length })]
})

/** Page `index` of the snapshot as shards, or how many of its pairs lack log-probs that runners compute. */
export const buildPackPart = Effect.fn("buildPackPart")(
  function* (snapshot: Snapshot, index: number, place: Place) {
    const { DB } = yield* Bindings
    const content = yield* readSnapshot(snapshot.digest)
    const page = yield* readPage(content, index)
    const sizes = yield* call("read pairs' sizes", () => selectSizes(DB, page))
    const shards: ShardEntry[] = []
    for (const pairs of stretches(sizes, bytesOf, BUILT_SHARD_BYTES))
      shards.push(...(yield* storeShard(snapshot, content.datasetId, pairs, page, place)))
    const packed = shards.reduce((sum, { pairs }) => sum + pairs, 0)
    const part: PackPart = { shards, takenBack: sortedIds(page).length - packed }
    return part
  },
  Effect.catchTag("RecordsLacking", ({ pairs }) => Effect.succeed<PackPart>({ lacking: pairs })),
)

/** Why nothing can be trained on what is left of a snapshot. */
const tooFew = ({ trainPairs, heldOutPairs }: Snapshot, shards: readonly ShardEntry[]): PackRefused | undefined => {
  const heldOut = shards.reduce((sum, shard) => sum + shard.heldOut, 0)
  const train = shards.reduce((sum, { pairs }) => sum + pairs, 0) - heldOut
  if (train > 0 && heldOut > 0) return undefined
  return new PackRefused({
    message: `of the snapshot's ${trainPairs} pairs to train on and ${heldOutPairs} held out, ${train} and ${heldOut} are left: the judgements of the others were taken back meanwhile; a run needs at least one of each, so add comparisons with other prompts and start another`,
  })
}

/** Writes the manifest of the run's pack. */
export const storeManifest = Effect.fn("storeManifest")(function* (
  runId: string,
  dataset: string,
  snapshot: Snapshot,
  parts: readonly PackPart[],
) {
  const { DB } = yield* Bindings
  if (parts.some((part) => part.shards === undefined))
    return yield* new PackRefused({
      message: "the run's pack was begun by an older version of the workers; start the run again under another key",
    })
  const shards = parts.flatMap((part) => part.shards ?? [])
  const fault = tooFew(snapshot, shards)
  if (fault !== undefined) return yield* fault
  const from = {
    ...{ dataset, snapshot: snapshot.digest, splitRule: snapshot.splitRule ?? SPLIT_RULE },
    ...{ tokenizer: snapshot.tokenizerDigest, template: snapshot.templateDigest ?? "" },
    reference: snapshot.referenceFingerprint,
  }
  const digest = yield* putBlob(yield* orRefused(() => encodeManifest(from, shards)))
  const takenBack = parts.reduce((sum, part) => sum + (part.takenBack ?? 0), 0)
  const sum = (of: "bytes" | "tokens") => shards.reduce((total, shard) => total + shard[of], 0)
  const detail: StoredPack = {
    ...{ digest, bytes: sum("bytes"), tokens: sum("tokens"), shards: shards.length },
    ...(takenBack === 0 ? {} : { takenBack }),
  }
  yield* call("note the pack", () => recordStep(DB, runId, { step: "pack", detail, next: "train" }))
  return detail
})
