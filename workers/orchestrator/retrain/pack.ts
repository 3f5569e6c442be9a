// Builds the pack that a run trains on: token ids from D1, reference log-probs from KV, shards in R2, and a manifest that names them. Page by
// page of the snapshot, because one event may make 10 000 calls and a page is two KV reads a pair; no more than one shard is ever held.
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
  type StoredPack,
} from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { recordStep } from "../runs/run-rows.ts"
import { putBlob } from "./blobs.ts"
import { scorePairs } from "./score.ts"
import { readPage, readSnapshot, sortedIds } from "./snapshot.ts"
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

/** The pairs among these that still count, in the order of their ids. */
export const selectSizes = async (db: D1Database, ids: readonly string[]): Promise<PairSize[]> => {
  const { results } = await db
    .prepare(
      `SELECT ${SIZE_COLUMNS} FROM pairs WHERE id IN (SELECT value FROM json_each(?)) AND status = 'ready' ORDER BY id`,
    )
    .bind(JSON.stringify(ids))
    .all<PairSize>()
  return results
}

/** The rows of those of these pairs that still count. */
export const selectRows = async (db: D1Database, pairs: readonly PairSize[]): Promise<PairRow[]> => {
  const found: PairRow[] = []
  for (const some of stretches(pairs, tokensOf, TOKENS_PER_QUERY, LIMITS.idsPerStatement)) {
    const { results } = await db
      .prepare(`SELECT ${COLUMNS} FROM pairs WHERE id IN (${some.map(() => "?").join(", ")}) AND status = 'ready'`)
      .bind(...some.map(({ id }) => id))
      .all<PairRow>()
    found.push(...results)
  }
  return found
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

/**
 * The records of these responses, in their order; undefined where one is missing or malformed. Values are read one by one,
 * because KV's bulk read decodes them as text.
 */
export const readRecords = Effect.fnUntraced(function* (fingerprint: string, responses: readonly ResponseKey[]) {
  const { REFERENCES } = yield* Bindings
  return yield* Effect.forEach(
    responses,
    ({ responseDigest, responseTokens }) =>
      call("read a reference record", () =>
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
    yield* scorePairs(datasetId, ids)
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
  splitOf: (id: string) => Split,
  place: Place,
) {
  const { DB } = yield* Bindings
  const rows = yield* call("read pairs", () => selectRows(DB, pairs))
  if (rows.length === 0) return []
  const { digest, referenceFingerprint: reference, tokenizerDigest: tokenizer } = snapshot
  const references = yield* gatherReferences(datasetId, reference, rows, place)
  const packed = yield* Effect.forEach(rows, (row) => pairOf(row, splitOf(row.id), references))
  const bytes = yield* orRefused(() => encodeShard(packed, { snapshot: digest, reference, tokenizer }))
  return [entryOf(decodeShard(bytes), { digest: yield* putBlob(bytes), bytes: bytes.length })]
})

/** Page `index` of the snapshot as shards, or how many of its pairs lack log-probs that runners compute. */
export const buildPackPart = Effect.fn("buildPackPart")(
  function* (snapshot: Snapshot, index: number, place: Place) {
    const { DB } = yield* Bindings
    const content = yield* readSnapshot(snapshot.digest)
    const page = yield* readPage(content, index)
    const ids = sortedIds(page)
    const sizes = yield* call("read pairs' sizes", () => selectSizes(DB, ids))
    // Splits are the snapshot's: it is what this run was counted by.
    const heldOut = new Set(page.heldOut)
    const splitOf = (id: string): Split => (heldOut.has(id) ? "held-out" : "train")
    const shards: ShardEntry[] = []
    for (const pairs of stretches(sizes, bytesOf, BUILT_SHARD_BYTES))
      shards.push(...(yield* storeShard(snapshot, content.datasetId, pairs, splitOf, place)))
    const packed = shards.reduce((sum, { pairs }) => sum + pairs, 0)
    const part: PackPart = { shards, takenBack: ids.length - packed }
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
