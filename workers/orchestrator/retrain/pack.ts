// Builds the pack that a run trains on: token ids from D1, reference log-probs from KV, one blob in R2. In parts, because one
// event may make 10 000 calls and a part is two KV reads a pair; each part is a pack of its own, joined at the end.
// A pair whose record is missing or malformed is scored again; what was taken back since the snapshot is left out and counted.
import { Effect } from "effect"
import { blobKey } from "#shared/wire/blobs.ts"
import { LIMITS, slices } from "#shared/wire/limits.ts"
import { decodePack, encodePack, type PackPair, packPair, tokensOfPair } from "#shared/wire/pack.ts"
import type { Split } from "#shared/wire/pair-identity.ts"
import { decodePairTokens, type PairTokenColumns } from "#shared/wire/pair-tokens.ts"
import { decodeRecord, type RecordMetadata, recordKey } from "#shared/wire/reference-record.ts"
import { type PackPart, PackRefused, type Snapshot, type StoredPack } from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { recordStep } from "../runs/run-rows.ts"
import { putBlob, readBlob } from "./blobs.ts"
import { scorePairs } from "./score.ts"
import { readSnapshot, sortedIds } from "./snapshot.ts"
import { call } from "./transient.ts"

export const PAIRS_PER_PART = 1024
/** The joined pack, its parts and the encoder's own check live in one isolate of 128 MB at the same time. */
const MAX_PACK_BYTES = 24 * 1024 * 1024
const SCORING_ROUNDS = 3

interface PairRow extends PairTokenColumns {
  readonly id: string
  readonly split: Split
  readonly weight: number
  readonly chosen_digest: string
  readonly rejected_digest: string
}

const COLUMNS =
  "id, split, weight, token_ids, prompt_tokens, chosen_tokens, rejected_tokens, chosen_digest, rejected_digest"

/** The rows of these pairs that still count. */
const selectRows = async (db: D1Database, ids: readonly string[]): Promise<PairRow[]> => {
  const answers = await db.batch<PairRow>(
    slices(ids, LIMITS.idsPerStatement).map((some) =>
      db
        .prepare(`SELECT ${COLUMNS} FROM pairs WHERE id IN (${some.map(() => "?").join(", ")}) AND status = 'ready'`)
        .bind(...some),
    ),
  )
  return answers.flatMap(({ results }) => results)
}

interface ResponseKey {
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
const readRecords = Effect.fnUntraced(function* (fingerprint: string, responses: readonly ResponseKey[]) {
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

type References = ReadonlyMap<string, NonNullable<PackPair["referenceLogProbs"]>>

/** Every row's log-probs. Rows without a whole record are scored again, a bounded number of times. */
const gatherReferences = Effect.fnUntraced(function* (
  datasetId: string,
  fingerprint: string,
  rows: readonly PairRow[],
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
    const ids = lacking.map(({ id }) => id)
    if (round === SCORING_ROUNDS)
      return yield* new PackRefused({
        message: `${ids.length} pairs have no usable reference log-probs after being scored ${SCORING_ROUNDS} times, first ${ids[0]}; check the scorer's log and the KV namespace`,
      })
    yield* scorePairs(datasetId, ids)
  }
})

const pairOf = Effect.fnUntraced(function* (row: PairRow, references: References) {
  const tokens = decodePairTokens(row)
  if (tokens === undefined)
    return yield* new PackRefused({ message: `pair ${row.id} has no token ids that fit its lengths; ingest it again` })
  const { id, weight, split } = row
  return { ...{ id, ...tokens, weight, split }, referenceLogProbs: references.get(id) } satisfies PackPair
})

const metaOf = (snapshot: Snapshot) => ({
  snapshot: snapshot.digest,
  reference: snapshot.referenceFingerprint,
  tokenizer: snapshot.tokenizerDigest,
})

const encode = (pairs: readonly PackPair[], snapshot: Snapshot) =>
  Effect.try({
    try: () => encodePack(pairs, metaOf(snapshot)),
    catch: (cause) => new PackRefused({ message: (cause as Error).message }),
  })

/** Pairs `index × 1024` … of the snapshot, as a pack of their own. */
export const buildPackPart = Effect.fn("buildPackPart")(function* (snapshot: Snapshot, index: number) {
  const { DB } = yield* Bindings
  const content = yield* readSnapshot(snapshot.digest)
  const ids = slices(sortedIds(content), PAIRS_PER_PART)[index] ?? []
  const rows = yield* call("read pairs", () => selectRows(DB, ids))
  const takenBack = ids.length - rows.length
  if (rows.length === 0) return { takenBack }
  const references = yield* gatherReferences(content.datasetId, snapshot.referenceFingerprint, rows)
  // Splits are the snapshot's: it is what this run was counted by.
  const heldOut = new Set(content.heldOut)
  const pairs = yield* Effect.forEach(rows, (row) =>
    pairOf({ ...row, split: heldOut.has(row.id) ? "held-out" : "train" }, references),
  )
  return { digest: yield* putBlob(yield* encode(pairs, snapshot)), takenBack }
})

const pairsOfPart = Effect.fnUntraced(function* (digest: string) {
  const part = decodePack(yield* readBlob(digest))
  return Array.from({ length: part.pairCount }, (_, index) => packPair(part, index))
})

/** Why nothing can be trained on what is left of a snapshot. */
const tooFew = ({ trainPairs, heldOutPairs }: Snapshot, pairs: readonly PackPair[]): PackRefused | undefined => {
  const heldOut = pairs.filter(({ split }) => split === "held-out").length
  const train = pairs.length - heldOut
  if (train > 0 && heldOut > 0) return undefined
  return new PackRefused({
    message: `of the snapshot's ${trainPairs} pairs to train on and ${heldOutPairs} held out, ${train} and ${heldOut} are left: the judgements of the others were taken back meanwhile; a run needs at least one of each, so add comparisons with other prompts and start another`,
  })
}

/** Joins the parts into the run's pack. */
export const joinPack = Effect.fn("joinPack")(function* (
  runId: string,
  snapshot: Snapshot,
  parts: readonly (typeof PackPart.Type)[],
) {
  const { BLOBS, DB } = yield* Bindings
  const partDigests = parts.flatMap(({ digest }) => digest ?? [])
  const heads = yield* call("measure the pack", () =>
    Promise.all(partDigests.map((digest) => BLOBS.head(blobKey(digest)))),
  )
  const partBytes = heads.reduce((sum, head) => sum + (head?.size ?? 0), 0)
  if (partBytes > MAX_PACK_BYTES)
    return yield* new PackRefused({
      message: `the pack would have ${partBytes} bytes and the edge joins at most ${MAX_PACK_BYTES}; use fewer or shorter pairs`,
    })
  const pairs = (yield* Effect.forEach(partDigests, pairsOfPart)).flat()
  const fault = tooFew(snapshot, pairs)
  if (fault !== undefined) return yield* fault
  const takenBack = parts.reduce((sum, part) => sum + (part.takenBack ?? 0), 0)
  const bytes = yield* encode(pairs, snapshot)
  const tokens = pairs.reduce((sum, pair) => sum + tokensOfPair(pair), 0)
  const detail: StoredPack = {
    ...{ digest: yield* putBlob(bytes), bytes: bytes.length, tokens },
    ...(takenBack === 0 ? {} : { takenBack }),
  }
  yield* call("note the pack", () => recordStep(DB, runId, { step: "pack", detail, next: "train" }))
  return detail
})
