// Freezes a dataset: the sorted ids of its ready pairs by split, as pages and one blob that names them, and the reference model's identity.
// Pairs that become ready later belong to the next run.
import { Effect, Schema } from "effect"
import { canonicalJson, referenceFingerprint, sha256Hex } from "#shared/formats/digest.ts"
import { DEFAULT_REFERENCE_PRECISION, fingerprintPrecision } from "#shared/formats/weights/reference-precision.ts"
import { WEIGHTS_INDEX, weightFiles, weightsDigest } from "#shared/formats/weights/safetensors-index.ts"
import { findChatTemplates } from "#shared/tokenisation/chat-template-files.ts"
import { parseObject } from "#shared/tokenisation/tokenizer-files.ts"
import { SPLIT_RULE } from "#shared/wire/pair-identity.ts"
import {
  type RetrainPayload,
  ScoringRefused,
  type Snapshot,
  SnapshotContent,
  SnapshotPage,
  SnapshotUnusable,
} from "#shared/workflows/retrain.ts"
import { Bindings } from "../Environment.ts"
import { findRun, recordStep } from "../runs/run-rows.ts"
import { findBlob, keepBlobs, putBlob, readBlob, storeBlob } from "./blobs.ts"
import { frozenPages } from "./frozen-pairs.ts"
import { call } from "./transient.ts"

const INGEST_LOOK_MS = 250

/** Comparisons that were acknowledged before the run and have become no pairs yet; one more while pairs are made again to another length. */
const countWaiting = async (db: D1Database, { datasetId, createdAt }: RetrainPayload): Promise<number> => {
  const row = await db
    .prepare(
      `SELECT count(*) + (SELECT count(*) FROM datasets WHERE id = ?1 AND deriving ->> 'startedAt' <= ?2) AS waiting
         FROM outbox JOIN comparisons ON comparisons.id = comparison_id
        WHERE dataset_id = ?1 AND outbox.created_at <= ?2`,
    )
    .bind(datasetId, createdAt)
    .first<{ waiting: number }>()
  return row?.waiting ?? 0
}

/** Waits until there are none, as long as the run may; resolves to those that it leaves out. */
const awaitIngest = Effect.fnUntraced(function* (db: D1Database, payload: RetrainPayload) {
  const deadline = payload.createdAt + (payload.ingestWaitMs ?? 0)
  for (;;) {
    const waiting = yield* call("count waiting comparisons", () => countWaiting(db, payload))
    if (waiting === 0 || Date.now() >= deadline) return waiting
    yield* Effect.sleep(INGEST_LOOK_MS)
  }
})

/** A file of the base model as text. */
const readModelText = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>, name: string) {
  const digest = files[name]
  const bytes = digest === undefined ? undefined : yield* findBlob(digest)
  if (bytes !== undefined) return new TextDecoder().decode(bytes)
  return yield* new ScoringRefused({ message: `the base model's ${name} is missing; register a version that has it` })
})

/** The template that the scorer used, in whichever of its places; none where the model has none. */
const readTemplate = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const optional = (name: string) => (name in files ? readModelText(files, name) : Effect.succeed(undefined))
  const chatTemplate = yield* optional("chat_template.jinja")
  const chatTemplateJson = yield* optional("chat_template.json")
  const text = yield* readModelText(files, "tokenizer_config.json")
  return yield* Effect.try({
    try: () => {
      const tokenizerConfig = parseObject(text, "tokenizer_config.json")
      return findChatTemplates({ tokenizerConfig, chatTemplate, chatTemplateJson }).main
    },
    catch: (cause) =>
      new ScoringRefused({ message: `the base model's files cannot be used: ${(cause as Error).message}` }),
  })
})

const readIdentity = Effect.fnUntraced(function* ({ base: { files }, reference }: RetrainPayload) {
  const tokenizer = files["tokenizer.json"]
  const index = WEIGHTS_INDEX in files ? yield* readModelText(files, WEIGHTS_INDEX) : undefined
  const names = yield* Effect.try({
    try: () => weightFiles(Object.keys(files), index),
    catch: (cause) => new ScoringRefused({ message: (cause as Error).message }),
  })
  const digests = names.flatMap((name) => (files[name] === undefined ? [] : [{ name, digest: files[name] }]))
  if (digests.length === 0 || tokenizer === undefined)
    return yield* new ScoringRefused({ message: "the base model lacks model.safetensors or tokenizer.json" })
  const weights = yield* Effect.promise(() => weightsDigest(digests))
  const template = yield* readTemplate(files)
  const templateDigest = template === undefined ? "" : yield* Effect.promise(() => sha256Hex(template))
  const fingerprint = yield* Effect.promise(() =>
    referenceFingerprint(
      { weights, tokenizer, template: templateDigest },
      fingerprintPrecision(reference?.precision ?? DEFAULT_REFERENCE_PRECISION),
    ),
  )
  return { referenceFingerprint: fingerprint, tokenizerDigest: tokenizer, templateDigest }
})

/** A run whose row was ended before its journal began, as standing still, stays ended. */
const checkUnderWay = Effect.fnUntraced(function* (db: D1Database, runId: string) {
  const run = yield* call("read the run's row", () => findRun(db, runId))
  if (run?.status !== "running")
    return yield* new SnapshotUnusable({ message: "the run had ended before it began; trigger it under another key" })
})

/** Stores the dataset's pages as they are read. They are looked at together: each by itself would be a query a thousand pairs more. */
const freezePages = Effect.fnUntraced(function* (db: D1Database, { datasetId, config }: RetrainPayload) {
  const frozen = frozenPages(db, datasetId, config)
  const pages: string[] = []
  let [trainPairs, heldOutPairs, verdicts, matchedPairs] = [0, 0, 0, 0]
  for (;;) {
    const next = yield* call("read the dataset's pairs", () => frozen.next())
    if (next.done === true) break
    const { page, bytes } = next.value
    pages.push(yield* storeBlob(bytes))
    verdicts += next.value.verdicts
    matchedPairs += next.value.matched
    trainPairs += page.train.length
    heldOutPairs += page.heldOut.length
  }
  yield* keepBlobs(pages)
  return { pages, trainPairs, heldOutPairs, verdicts, matchedPairs }
})

export const takeSnapshot = Effect.fn("takeSnapshot")(function* (payload: RetrainPayload, runId: string) {
  const { DB } = yield* Bindings
  const { datasetId } = payload
  yield* checkUnderWay(DB, runId)
  const waiting = yield* awaitIngest(DB, payload)
  const leftOut = waiting === 0 ? {} : { leftOutComparisons: waiting }
  const takenAt = Date.now()
  const { pages, trainPairs, heldOutPairs, verdicts, matchedPairs } = yield* freezePages(DB, payload)
  if (trainPairs === 0 || heldOutPairs === 0)
    return yield* new SnapshotUnusable({
      message: `dataset "${datasetId}" has ${trainPairs} ready pairs to train on and ${heldOutPairs} held out; it needs at least one of each: ${waiting === 0 ? "" : `${waiting} comparisons are no pairs yet; `}add comparisons with other prompts`,
    })
  const identity = yield* readIdentity(payload)
  const made = matchedPairs === 0 ? {} : { matchedPairs }
  const content: SnapshotContent = { datasetId, splitRule: SPLIT_RULE, pages, ...made }
  const digest = yield* putBlob(new TextEncoder().encode(canonicalJson(content)) as Uint8Array<ArrayBuffer>)
  const alone = verdicts === 0 ? {} : { verdicts }
  const detail = { digest, trainPairs, heldOutPairs, splitRule: SPLIT_RULE, ...alone, ...leftOut }
  yield* call("note the snapshot", () =>
    recordStep(DB, runId, { step: "snapshot", detail: { ...detail, takenAt }, next: "score" }),
  )
  return { ...detail, ...identity } satisfies Snapshot
})

const decodeContent = Schema.decodeUnknownEffect(Schema.fromJsonString(SnapshotContent))
const decodePage = Schema.decodeUnknownSync(Schema.fromJsonString(SnapshotPage))

/** What a snapshot names. Fails where an older version took it. */
export const readSnapshot = Effect.fnUntraced(function* (digest: string) {
  const text = new TextDecoder().decode(yield* readBlob(digest))
  return yield* Effect.mapError(
    decodeContent(text),
    () =>
      new ScoringRefused({
        message: "the run's snapshot is of an older version of the workers; start the run again under another key",
      }),
  )
})

/** Page `index` of a snapshot; an empty one beyond the last. */
export const readPage = Effect.fnUntraced(function* ({ pages }: SnapshotContent, index: number) {
  const digest = pages[index]
  if (digest === undefined) return { train: [], heldOut: [] } satisfies SnapshotPage
  return decodePage(new TextDecoder().decode(yield* readBlob(digest)))
})

/** All ids of a page in the pack's order. */
export const sortedIds = ({ train, heldOut }: SnapshotPage): string[] => [...train, ...heldOut].sort()
